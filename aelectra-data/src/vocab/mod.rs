//! WordPiece vocabulary and tokenizer.
