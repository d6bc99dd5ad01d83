//! What may go wrong around a server: a disk that is full, a clock that is wrong.

mod clock;
mod disk;
