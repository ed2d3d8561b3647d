//! What stands in the brackets of `#[redis_cache(…)]`.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, Lit, LitBool, LitStr, Result, Token};

use crate::duration;

const KNOWN: &str = "`ttl`, `stale`, `lock`, `user`, `shared`, `key`, `name` and `associated`";

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) ttl: Ttl,
    pub(crate) stale: Option<u64>,
    pub(crate) lock: Option<bool>,
    pub(crate) user: Option<User>,
    pub(crate) shared: Option<Span>,
    pub(crate) key: Option<Expr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) associated: bool,
}

#[derive(Default, PartialEq)]
pub(crate) enum Ttl {
    #[default]
    Unsaid,
    Unlimited,
    Seconds(u64),
}

pub(crate) enum User {
    Current,
    Named(LitStr),
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            if seen.contains(&name) {
                return Err(Error::new(name.span(), format!("`{name}` is said twice")));
            }
            let equals = input.parse::<Option<Token![=]>>()?.is_some();
            options.take(&name, equals, input)?;
            seen.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        options.fit(&seen)?;
        Ok(options)
    }
}

impl Options {
    fn take(&mut self, name: &Ident, equals: bool, input: ParseStream<'_>) -> Result<()> {
        let word = name.to_string();
        match (word.as_str(), equals) {
            ("ttl", true) => {
                self.ttl = duration::seconds(&input.parse::<Lit>()?)?.map_or(Ttl::Unlimited, Ttl::Seconds);
            }
            ("stale", true) => {
                let literal = input.parse::<Lit>()?;
                self.stale = Some(duration::seconds(&literal)?.ok_or_else(|| {
                    Error::new(
                        literal.span(),
                        "an answer that may be old for ever is one with `ttl = \"none\"`",
                    )
                })?);
            }
            ("lock", true) => self.lock = Some(input.parse::<LitBool>()?.value),
            ("lock", false) => self.lock = Some(true),
            ("user", false) => self.user = Some(User::Current),
            ("user", true) if input.peek(LitStr) => self.user = Some(User::Named(input.parse()?)),
            ("user", true) => {
                if input.parse::<LitBool>()?.value {
                    self.user = Some(User::Current);
                }
            }
            ("shared", false) => self.shared = Some(name.span()),
            ("shared", true) => self.shared = input.parse::<LitBool>()?.value.then(|| name.span()),
            ("key", true) => self.key = Some(input.parse()?),
            ("name", true) => self.name = Some(input.parse()?),
            ("associated", false) => self.associated = true,
            ("ttl" | "stale" | "key" | "name", false) => {
                return Err(Error::new(name.span(), format!("`{word}` needs a value: `{word} = …`")));
            }
            ("associated", true) => return Err(Error::new(name.span(), "`associated` stands by itself")),
            _ => return Err(Error::new(name.span(), format!("there is no `{word}`; known are {KNOWN}"))),
        }
        Ok(())
    }

    /// Whether they fit together.
    fn fit(&self, seen: &[Ident]) -> Result<()> {
        let place =
            |word: &str| seen.iter().find(|name| *name == word).map_or_else(Span::call_site, Ident::span);
        if let (Some(_), Some(span)) = (&self.user, self.shared) {
            return Err(Error::new(
                span,
                "an answer is one user's or everybody's: leave out `user` or `shared`",
            ));
        }
        if self.stale.is_some() && self.ttl == Ttl::Unlimited {
            return Err(Error::new(
                place("stale"),
                "an answer without a lifetime never gets old: leave out `stale`",
            ));
        }
        if let Some(name) = &self.name
            && name.value().is_empty()
        {
            return Err(Error::new(name.span(), "a name can't be empty"));
        }
        Ok(())
    }
}
