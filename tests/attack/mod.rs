//! What an attacker would try: each of these once worked, or would have if nobody had looked.

mod connections;
mod decisions;
mod pages;
mod requests;
mod roles;
mod teapot;
