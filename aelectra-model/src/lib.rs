//! aelectra-model
