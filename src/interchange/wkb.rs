//! Well-known binary.
