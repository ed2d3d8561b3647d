//! Rust's own types as values, by [serde](https://serde.rs), in the shapes that Python expects.
//!
//! | Rust | Python |
//! |---|---|
//! | `()`, `None`, a unit struct | `None` |
//! | `Some(x)`, a newtype struct | as `x` |
//! | `bool`, every whole number, `f32`, `f64` | `bool`, `int` (exact, of any size), `float` |
//! | `char`, `str`, `String` | `str` |
//! | bytes (`serde_bytes`) | `bytes` |
//! | `Vec`, slices, sets | `list` (a Rust set is no set to serde) |
//! | tuples, arrays, tuple structs | `tuple` |
//! | maps | `dict` |
//! | structs | `dict` with the fields' names as text |
//! | an enum's variant: `A`, `A(x)`, `A(x, y)`, `A { b: x }` | `"A"`, `{"A": x}`, `{"A": (x, y)}`, `{"A": {"b": x}}` |
//! | [`Date`](crate::Date), [`DateTime`](crate::DateTime), [`Time`](crate::Time), [`Timedelta`](crate::Timedelta) | those of `datetime` |
//!
//! Reading is the other way round, and takes what is alike: a list, tuple or set for any sequence, `bytes` or
//! `bytearray` for bytes or `Vec<u8>`, an `int` that fits for any number, and for a float also a whole
//! number that a float holds exactly. Nothing else is converted: a `str` is no number, a `float` no `int`.
//!
//! A `Some` of nothing (`Some(None)`, `Some(())`) is refused: it would come back as `None`.

mod de;
mod error;
mod ser;
mod times;

#[cfg(test)]
mod tests;

pub use de::from_value;
pub use error::ShapeError;
pub use ser::to_value;
