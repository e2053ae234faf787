//! Named-entity data and metrics.
