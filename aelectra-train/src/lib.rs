//! aelectra-train
