//! aelectra-tui
