//! What goes wrong between the house and its upstreams, made to happen in a TCP proxy: clients get the last good answer or a
//! clear refusal in bounded time, and monitors see what happens and that it is over.

mod cpan;
mod memory;
mod pypi;
mod teapot;
mod time;
