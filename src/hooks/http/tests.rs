//! What is promised of a third party that answers, and of one that does not.
