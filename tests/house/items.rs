//! The functions of a file and how long they are; the items it shows to others; the fields it takes out of structs.

use std::collections::BTreeSet;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Fields, FnArg, Meta, Type, Visibility};

/// A function or method, from its signature to its closing brace.
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// A public item.
pub struct Item {
    pub kind: ItemKind,
    /// Its own name.
    pub name: String,
    /// The type it belongs to, if any.
    pub of: Option<String>,
    pub line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A type, trait, function, constant or static of a module.
    Free,
    /// A function of a type, with `self` or without.
    Method { has_self: bool },
    /// A constant of a type.
    Constant,
    /// A field of a struct, which somebody should read.
    Field,
    /// A variant of an enum.
    Variant,
}

pub fn functions(tree: &syn::File) -> Vec<Function> {
    struct Finder(Vec<Function>);
    impl Finder {
        fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
            let (first, last) = (signature.span().start().line, block.span().end().line);
            self.0.push(Function { name: signature.ident.to_string(), line: first, lines: last - first + 1 });
        }
    }
    impl<'ast> Visit<'ast> for Finder {
        fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
            self.add(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
        fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
            self.add(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
        fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
            if let Some(block) = &item.default {
                self.add(&item.sig, block);
            }
            visit::visit_trait_item_fn(self, item);
        }
    }
    let mut finder = Finder(Vec::new());
    finder.visit_file(tree);
    finder.0
}

/// The fields that patterns take out of structs: `let Found { place, .. } = found`.
pub fn taken(tree: &syn::File) -> BTreeSet<String> {
    struct Finder(BTreeSet<String>);
    impl<'ast> Visit<'ast> for Finder {
        fn visit_field_pat(&mut self, field: &'ast syn::FieldPat) {
            if let syn::Member::Named(name) = &field.member {
                self.0.insert(name.to_string());
            }
            visit::visit_field_pat(self, field);
        }
    }
    let mut finder = Finder(BTreeSet::new());
    finder.visit_file(tree);
    finder.0
}

pub fn public(tree: &syn::File) -> Vec<Item> {
    let mut finder = Finder { found: Vec::new() };
    finder.visit_file(tree);
    finder.found
}

struct Finder {
    found: Vec<Item>,
}

impl Finder {
    fn add(&mut self, kind: ItemKind, name: &syn::Ident, of: Option<String>) {
        self.found.push(Item { kind, name: name.to_string(), of, line: name.span().start().line });
    }

    fn free(&mut self, visibility: &Visibility, name: &syn::Ident) {
        if matches!(visibility, Visibility::Public(_)) {
            self.add(ItemKind::Free, name, None);
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.free(&item.vis, &item.sig.ident);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.free(&item.vis, &item.ident);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.free(&item.vis, &item.ident);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.free(&item.vis, &item.ident);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.free(&item.vis, &item.ident);
        // What serde or clap fills or writes, they name.
        if let Fields::Named(fields) = &item.fields
            && !derives(&item.attrs, &["Serialize", "Deserialize", "Args", "Parser"])
        {
            let public = fields.named.iter().filter(|field| matches!(field.vis, Visibility::Public(_)));
            for name in public.filter_map(|field| field.ident.as_ref()) {
                self.add(ItemKind::Field, name, Some(item.ident.to_string()));
            }
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.free(&item.vis, &item.ident);
        if matches!(item.vis, Visibility::Public(_)) && !derives(&item.attrs, &["Deserialize", "ValueEnum"]) {
            for variant in &item.variants {
                self.add(ItemKind::Variant, &variant.ident, Some(item.ident.to_string()));
            }
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.free(&item.vis, &item.ident);
        for part in &item.items {
            if let syn::TraitItem::Fn(function) = part {
                let has_self = matches!(function.sig.inputs.first(), Some(FnArg::Receiver(_)));
                self.add(ItemKind::Method { has_self }, &function.sig.ident, Some(item.ident.to_string()));
            }
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let Type::Path(of) = &*item.self_ty else { return };
        let of = of.path.segments.last().map(|segment| segment.ident.to_string());
        for part in item.items.iter().filter(|_| item.trait_.is_none()) {
            match part {
                syn::ImplItem::Fn(function) if matches!(function.vis, Visibility::Public(_)) => {
                    let has_self = matches!(function.sig.inputs.first(), Some(FnArg::Receiver(_)));
                    self.add(ItemKind::Method { has_self }, &function.sig.ident, of.clone());
                }
                syn::ImplItem::Const(constant) if matches!(constant.vis, Visibility::Public(_)) => {
                    self.add(ItemKind::Constant, &constant.ident, of.clone());
                }
                _ => {}
            }
        }
    }
}

/// Whether one of these is derived.
fn derives(attributes: &[Attribute], names: &[&str]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("derive") => {
            list.tokens.clone().into_iter().any(|token| names.contains(&token.to_string().as_str()))
        }
        _ => false,
    })
}
