//! Version 3.1.1.
