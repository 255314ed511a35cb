//! Of two modules the first imports the second.

// Modules stand in the order in which they may import each other.
mod first;
mod second;
mod third;
