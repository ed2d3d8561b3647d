//! The code that takes a function's place.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, FnArg, Ident, Lit, Pat, Type};

use crate::function::Function;
use crate::options::{Options, Ttl, User};

/// The function that asks the cache, the body that it had, and what clears its answers.
pub(crate) fn expand(function: &Function, options: &Options) -> TokenStream {
    let caller = caller(function, options);
    let companions = if function.is_associated(options) {
        associated(function, options)
    } else {
        companions(function, options)
    };
    quote! { #caller #companions }
}

fn caller(function: &Function, options: &Options) -> TokenStream {
    let item = &function.item;
    let (attributes, visibility, returns) = (&item.attrs, &item.vis, &function.returns);
    let mut signature = item.sig.clone();
    for input in &mut signature.inputs {
        // `mut` concerns the body alone.
        if let FnArg::Typed(typed) = input
            && let Pat::Ident(pattern) = &mut *typed.pat
        {
            pattern.mutability = None;
        }
    }
    let names: Vec<&Ident> = function.arguments.iter().map(|(name, _)| name).collect();
    let (body, compute) = if function.is_associated(options) {
        // A function of its own would not know `self` and `Self`.
        let rebound = rebound(function);
        let block = &item.block;
        if item.sig.asyncness.is_some() {
            (quote!(), quote!(|| async move { #rebound let __answer: #returns = #block; __answer }))
        } else {
            (quote!(), quote!(|| -> #returns { #rebound #block }))
        }
    } else {
        let mut body = item.sig.clone();
        body.ident = format_ident!("__body");
        let block = &item.block;
        let inner_attributes = attributes.iter().filter(|attribute| is_lint(attribute));
        (quote! { #(#inner_attributes)* #body #block }, quote!(|| __body(#(#names),*)))
    };
    let (answer, awaited) = if item.sig.asyncness.is_some() {
        (quote!(answer_async), quote!(.await))
    } else {
        (quote!(answer), quote!())
    };
    let traits = quote! {
        #[allow(unused_imports)]
        use ::dontmanage_cache::__private::{Fallible as _, Infallible as _};
    };
    let name = &item.sig.ident;
    let memo = if function.is_associated(options) { memo(function, options) } else { quote!(#name::memo()) };
    let call = call(function, options, &memo);
    quote! {
        #(#attributes)*
        #[allow(clippy::used_underscore_binding)]
        #visibility #signature {
            #body
            let __call = #call;
            let __returns = &::dontmanage_cache::__private::Returns::<#returns>::new();
            ::dontmanage_cache::__private::#answer(
                __call,
                |__answer| { #traits __returns.returned(__answer) },
                |__answer| { #traits __returns.kept(__answer) },
                #compute,
            )#awaited
        }
    }
}

/// `mut` arguments as such, for a body in a closure.
fn rebound(function: &Function) -> TokenStream {
    let mutable = function.item.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pattern) if pattern.mutability.is_some() => Some(&pattern.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    quote! { #(let mut #mutable = #mutable;)* }
}

fn is_lint(attribute: &syn::Attribute) -> bool {
    ["allow", "expect", "warn", "deny", "forbid", "cfg"].iter().any(|name| attribute.path().is_ident(name))
}

/// The call of the cache for these arguments.
fn call(function: &Function, options: &Options, memo: &TokenStream) -> TokenStream {
    let whose = whose(options);
    let arguments = match &options.key {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(format), .. })) => {
            quote!(__arguments.argument(&::std::format!(#format))?;)
        }
        Some(key) => quote!(__arguments.argument(&#key)?;),
        None => {
            // An argument that can't be part of a key is pointed at.
            let each = function
                .arguments
                .iter()
                .map(|(name, kind)| quote_spanned!(kind.span()=> __arguments.argument(&#name)?;));
            quote!(#(#each)*)
        }
    };
    let unused = if options.key.is_some() {
        let names = function.arguments.iter().map(|(name, _)| name);
        quote!(#(let _ = &#names;)*)
    } else {
        quote!()
    };
    quote! {{
        #unused
        ::dontmanage_cache::__private::call(#memo, #whose, |__arguments| {
            #arguments
            ::core::result::Result::Ok(())
        })
    }}
}

fn whose(options: &Options) -> TokenStream {
    match (&options.user, options.shared) {
        (Some(User::Current), _) => quote!(::dontmanage_cache::__private::Whose::CurrentUser),
        (Some(User::Named(user)), _) => quote!(::dontmanage_cache::__private::Whose::User(#user)),
        (None, Some(_)) => quote!(::dontmanage_cache::__private::Whose::Shared),
        (None, None) => quote!(::dontmanage_cache::__private::Whose::Site),
    }
}

/// An expression for the function's memo, which must outlive a statement.
fn memo(function: &Function, options: &Options) -> TokenStream {
    let (settings, ident) = (settings(options), &function.item.sig.ident);
    let location = quote!(::core::concat!(::core::file!(), ":", ::core::line!(), ":", ::core::column!()));
    if function.is_associated(options) {
        let name = options.name.as_ref().map_or_else(
            || quote!(::dontmanage_cache::__private::method_name::<Self>(::core::stringify!(#ident))),
            |name| quote!(::std::string::String::from(#name)),
        );
        return quote!(&::dontmanage_cache::__private::memo(&#name, #location, #settings));
    }
    // The type of that name tells the function's whole path, also within another function.
    let name = options
        .name
        .as_ref()
        .map_or_else(|| quote!(&::dontmanage_cache::__private::name_of::<#ident>()), |name| quote!(#name));
    quote! {{
        static __MEMO: ::std::sync::OnceLock<::dontmanage_cache::__private::Memo> = ::std::sync::OnceLock::new();
        __MEMO.get_or_init(|| ::dontmanage_cache::__private::memo(#name, #location, #settings))
    }}
}

fn settings(options: &Options) -> TokenStream {
    let lifetime = match options.ttl {
        Ttl::Unlimited => quote!(.lifetime(::dontmanage_cache::__private::Lifetime::NONE)),
        Ttl::Seconds(seconds) => quote!(.lifetime(::dontmanage_cache::__private::Lifetime::secs(#seconds))),
        Ttl::Unsaid => quote!(),
    };
    let stale =
        options.stale.map(|seconds| quote!(.stale(::dontmanage_cache::__private::Lifetime::secs(#seconds))));
    let lock = options.lock.map(|lock| quote!(.lock(#lock)));
    quote!(::dontmanage_cache::__private::MemoOptions::new() #lifetime #stale #lock)
}

/// A type of the function's name, which is free among the types, with what else there is to do.
fn companions(function: &Function, options: &Options) -> TokenStream {
    let (visibility, name) = (&function.item.vis, &function.item.sig.ident);
    let cfgs =
        function.item.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect::<Vec<_>>();
    let memo = memo(function, options);
    let (whose, call) = (whose(options), call(function, options, &quote!(#name::memo())));
    let (generics, arguments) = (&function.item.sig.generics, typed(function));
    let about = format!("The answers that the cache keeps of the function [`{name}`](fn@{name}).");
    let method_visibility = match visibility {
        syn::Visibility::Inherited => quote!(pub(self)),
        visibility => quote!(#visibility),
    };
    quote! {
        #(#cfgs)*
        #[doc = #about]
        #[allow(non_camel_case_types)]
        #visibility struct #name {}

        #(#cfgs)*
        #[allow(dead_code, clippy::used_underscore_binding, clippy::needless_pass_by_value, clippy::must_use_candidate, clippy::too_many_arguments)]
        impl #name {
            /// Removes the function's answers from the current cache. How many there were.
            #method_visibility fn clear_cache() -> u64 {
                ::dontmanage_cache::__private::clear(Self::memo(), #whose)
            }

            /// Removes the answer of one call. Whether there was one.
            #method_visibility fn clear_cache_for #generics (#(#arguments),*) -> bool {
                #call.is_some_and(|call| call.clear())
            }

            /// What the cache did for the function in this process.
            #method_visibility fn cache_stats() -> ::dontmanage_cache::__private::MemoStats {
                Self::memo().stats()
            }

            fn memo() -> &'static ::dontmanage_cache::__private::Memo {
                #memo
            }
        }
    }
}

/// As [`companions`], beside a function in an `impl` block.
fn associated(function: &Function, options: &Options) -> TokenStream {
    let (visibility, name) = (&function.item.vis, &function.item.sig.ident);
    let (clear, clear_for, stats) = (
        format_ident!("{name}_clear_cache"),
        format_ident!("{name}_clear_cache_for"),
        format_ident!("{name}_cache_stats"),
    );
    let memo = memo(function, options);
    let (whose, call) = (whose(options), call(function, options, &memo));
    let (generics, arguments) = (&function.item.sig.generics, typed(function));
    let receiver = function.receiver.as_ref().map(|receiver| quote!(#receiver,));
    quote! {
        /// Removes the function's answers from the current cache. How many there were.
        #[allow(dead_code)]
        #visibility fn #clear() -> u64 {
            ::dontmanage_cache::__private::clear(#memo, #whose)
        }

        /// Removes the answer of one call. Whether there was one.
        #[allow(dead_code, clippy::used_underscore_binding, clippy::needless_pass_by_value, clippy::must_use_candidate, clippy::too_many_arguments)]
        #visibility fn #clear_for #generics (#receiver #(#arguments),*) -> bool {
            #call.is_some_and(|call| call.clear())
        }

        /// What the cache did for the function in this process.
        #[allow(dead_code)]
        #visibility fn #stats() -> ::dontmanage_cache::__private::MemoStats {
            (#memo).stats()
        }
    }
}

fn typed(function: &Function) -> Vec<TokenStream> {
    function.arguments.iter().map(|(name, kind): &(Ident, Type)| quote!(#name: #kind)).collect()
}
