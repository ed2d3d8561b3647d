//! The attribute `#[redis_cache]` of the crate `dontmanage-cache`, where it is documented and from where it is
//! used.
#![forbid(unsafe_code)]

mod duration;
mod expand;
mod function;
mod options;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

/// Keeps the answers of a function; see the crate `dontmanage-cache`.
#[proc_macro_attribute]
pub fn redis_cache(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(attribute as options::Options);
    let item = parse_macro_input!(item as ItemFn);
    match function::Function::check(item, &options) {
        Ok(function) => expand::expand(&function, &options).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
