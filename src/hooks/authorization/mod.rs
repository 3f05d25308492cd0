//! What may a client do: topics it may publish to and read. Placeholder of this module.
