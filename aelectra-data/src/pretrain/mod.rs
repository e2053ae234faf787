//! Pretraining examples, shards, sampling and masking.
