//! A function that the attribute stands on, and whether its answers can be kept.

use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericParam, Ident, ItemFn, Pat, Receiver, Result, ReturnType, Type};

use crate::options::Options;

pub(crate) struct Function {
    pub(crate) item: ItemFn,
    pub(crate) receiver: Option<Receiver>,
    /// The other arguments.
    pub(crate) arguments: Vec<(Ident, Type)>,
    pub(crate) returns: Type,
}

impl Function {
    pub(crate) fn check(item: ItemFn, options: &Options) -> Result<Self> {
        let signature = &item.sig;
        for generic in &signature.generics.params {
            let what = match generic {
                GenericParam::Lifetime(_) => continue,
                _ => {
                    "a generic function is many functions, which would share their answers: write one for each type, each with its own `#[redis_cache]`"
                }
            };
            return Err(Error::new(generic.span(), what));
        }
        if let Some(constness) = &signature.constness {
            return Err(Error::new(constness.span(), "a `const fn` can't ask a cache: leave out `const`"));
        }
        if let Some(asyncness) = &signature.asyncness
            && !cfg!(feature = "async")
        {
            return Err(Error::new(
                asyncness.span(),
                "an `async fn` needs the feature `async` of the crate `dontmanage-cache`",
            ));
        }
        if let syn::Safety::Unsafe(token) = &signature.safety {
            return Err(Error::new(
                token.span(),
                "an `unsafe fn` can't be cached: cache a safe function around it",
            ));
        }
        let mut receiver = None;
        let mut arguments = Vec::new();
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(given) => {
                    if options.key.is_none() {
                        return Err(Error::new(
                            given.span(),
                            "a method's answer depends on `self`, which is not part of the key: \
                             say what of it is, as in `#[redis_cache(key = (self.id, other_argument))]`, \
                             or write a function without `self`",
                        ));
                    }
                    receiver = Some(given.clone());
                }
                FnArg::Typed(typed) => {
                    if let Type::ImplTrait(_) = &*typed.ty {
                        return Err(Error::new(
                            typed.ty.span(),
                            "a generic function is many functions, which would share their answers: name the type",
                        ));
                    }
                    let Pat::Ident(pattern) = &*typed.pat else {
                        return Err(Error::new(
                            typed.pat.span(),
                            "an argument needs a name to be part of the key: take it apart in the body",
                        ));
                    };
                    arguments.push((pattern.ident.clone(), (*typed.ty).clone()));
                }
            }
        }
        if receiver.is_some() && signature.asyncness.is_some() {
            return Err(Error::new(
                signature.ident.span(),
                "an `async` method can't be cached: call an `async fn` without `self` from it, and cache that one",
            ));
        }
        let returns = match &signature.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, returns) => (**returns).clone(),
        };
        match &returns {
            Type::Reference(_) => Err(Error::new(
                returns.span(),
                "an answer from the cache belongs to nobody who could lend it: return an owned type",
            )),
            Type::ImplTrait(_) => Err(Error::new(returns.span(), "name the type that is returned")),
            Type::Never(_) => Err(Error::new(returns.span(), "there is no answer to keep")),
            _ => Ok(Self { item, receiver, arguments, returns }),
        }
    }

    /// Whether it stands in an `impl` block.
    pub(crate) fn is_associated(&self, options: &Options) -> bool {
        self.receiver.is_some() || options.associated
    }
}
