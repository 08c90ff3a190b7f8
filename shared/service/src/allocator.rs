//! The allocator of every program that is a daemon: jemalloc, whose own thread gives back
//! what is free, some ten seconds after a load has ended. The C library's keeps most of it
//! (docs/reliability.md).

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
