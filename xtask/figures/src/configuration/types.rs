//! Types, fields and documentation of configurations, read from the sources.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// A type of a configuration.
pub(super) struct Item {
    pub file: String,
    pub name: String,
    pub shape: Shape,
}

pub(super) enum Shape {
    Struct(Vec<Field>),
    /// An enum whose variants are tables, and the field that names the variant.
    Tables(String, Vec<Variant>),
    /// An enum whose variants are words.
    Words(Vec<Variant>),
}

pub(super) struct Field {
    pub name: String,
    pub kind: syn::Type,
    pub doc: String,
    pub required: bool,
}

pub(super) struct Variant {
    pub word: String,
    pub doc: String,
    pub is_default: bool,
    pub content: Content,
}

#[derive(Clone)]
pub(super) enum Content {
    Fields(usize),
    Config(String),
}

/// Whether a field holds its type once, optionally or in a list.
#[derive(PartialEq)]
pub(super) enum Held {
    Once,
    Maybe,
    List,
}

/// The innermost name in a type, and whether an `Option` or a `Vec` holds it.
pub(super) fn held(kind: &syn::Type) -> Result<(Held, String), String> {
    let syn::Type::Path(path) = kind else { return Err("a field whose type has no name".to_string()) };
    let last = path.path.segments.last().ok_or("an empty type")?;
    let name = last.ident.to_string();
    let (syn::PathArguments::AngleBracketed(inner), "Option" | "Vec") = (&last.arguments, name.as_str())
    else {
        return Ok((Held::Once, name));
    };
    let Some(syn::GenericArgument::Type(inner)) = inner.args.first() else {
        return Err(format!("{name} of nothing"));
    };
    Ok((if name == "Option" { Held::Maybe } else { Held::List }, held(inner)?.1))
}

/// Whether a type derives `Deserialize`, so that files may be read as it.
pub(super) fn is_read(attributes: &[Attribute]) -> bool {
    let derives = attributes.iter().filter(|a| a.path().is_ident("derive"));
    derives
        .into_iter()
        .any(|a| matches!(&a.meta, Meta::List(list) if list.tokens.to_string().contains("Deserialize")))
}

pub(super) fn fields(fields: &syn::Fields, all_default: bool) -> Vec<Field> {
    let field = |field: &syn::Field| {
        let optional = matches!(held(&field.ty), Ok((Held::Maybe, _)));
        Some(Field {
            name: field.ident.as_ref()?.to_string(),
            kind: field.ty.clone(),
            doc: doc(&field.attrs),
            required: !all_default && !optional && serde(&field.attrs, "default").is_none(),
        })
    };
    fields.iter().filter_map(field).collect()
}

/// The value of `key` in the attributes of serde: the text of `key = "text"`, or an empty one for `key` alone.
pub(super) fn serde(attributes: &[Attribute], key: &str) -> Option<String> {
    let mut found = None;
    for attribute in attributes.iter().filter(|a| a.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            let value = match meta.value() {
                Ok(value) => value.parse::<Lit>().ok(),
                Err(_) => None,
            };
            if meta.path.is_ident(key) {
                found = Some(match value {
                    Some(Lit::Str(text)) => text.value(),
                    _ => String::new(),
                });
            }
            Ok(())
        });
    }
    found
}

/// A doc comment as one line of a table: its first paragraphs, up to a heading; links within the code become names.
pub(super) fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> = lines.take_while(|line| !line.trim_start().starts_with('#')).collect();
    let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    plain(text.trim()).replace('|', "\\|")
}

/// Without links that only rustdoc resolves: `[`X`](path)` and `[`X`]` become `X`.
pub(super) fn plain(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("[`") {
        // A bracket that is code itself begins no link.
        if rest[..start].ends_with('`') {
            plain += &rest[..start + 2];
            rest = &rest[start + 2..];
            continue;
        }
        plain += &rest[..start];
        let Some(length) = rest[start..].find("`]") else {
            rest = &rest[start..];
            break;
        };
        plain += &rest[start + 1..start + length + 1];
        rest = &rest[start + length + 2..];
        if rest.starts_with('(') {
            let mut open = 0;
            let end = rest.find(|c| {
                open += i32::from(c == '(') - i32::from(c == ')');
                open == 0
            });
            rest = end.map_or("", |end| &rest[end + 1..]);
        }
    }
    plain + rest
}

pub(super) fn kebab(name: &str) -> String {
    let mut words = String::new();
    for (at, c) in name.char_indices() {
        if c.is_uppercase() && at > 0 {
            words.push('-');
        }
        words.extend(c.to_lowercase());
    }
    words
}

/// The lines of a registry: `Variant(Config)`, or `Variant / method` for a cell, each with the attributes before it.
pub(super) fn registered(
    tokens: &[TokenTree],
    attributes: &mut Vec<Attribute>,
    found: &mut Vec<Variant>,
) -> Result<(), String> {
    for (at, tree) in tokens.iter().enumerate() {
        let add = |config: &str, attributes: &mut Vec<Attribute>, found: &mut Vec<Variant>| {
            let word = serde(attributes, "rename").unwrap_or_else(|| kebab(&tree.to_string()));
            let doc = doc(attributes);
            found.push(Variant {
                word,
                doc,
                is_default: false,
                content: Content::Config(config.to_string()),
            });
            attributes.clear();
        };
        match (tree, tokens.get(at + 1)) {
            (TokenTree::Punct(punct), Some(TokenTree::Group(group))) if punct.as_char() == '#' => {
                let source: TokenStream =
                    [tree.clone(), TokenTree::Group(group.clone())].into_iter().collect();
                let parsed = syn::parse::Parser::parse2(Attribute::parse_outer, source);
                // Attributes with variables of a macro do not parse; they belong to no line.
                attributes.extend(parsed.into_iter().flatten());
            }
            (TokenTree::Ident(_), Some(TokenTree::Punct(punct))) if punct.as_char() == '/' => {
                add("Size", attributes, found);
            }
            (TokenTree::Ident(_), Some(TokenTree::Group(group))) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                if let [TokenTree::Ident(config)] = inner.as_slice()
                    && config.to_string().ends_with("Config")
                {
                    add(&config.to_string(), attributes, found);
                }
            }
            (TokenTree::Group(group), _) => {
                let mut inner = Vec::new();
                registered(&group.stream().into_iter().collect::<Vec<_>>(), &mut inner, found)?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_rustdoc_become_names() {
        for (text, expected) in [
            ("as [`run`](crate::run()) does", "as `run` does"),
            ("see [`Stack`].", "see `Stack`."),
            ("[Zucchet](https://example.org) and `x`", "[Zucchet](https://example.org) and `x`"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
