//! Parses text into a tree with CEL's own parser, and translates its errors.
//!
//! The language is the Common Expression Language (<https://cel.dev>), known from Kubernetes, Envoy and Tetragon, with the
//! columns as its names. Which part of it filters support is decided in check.rs.

use std::{ops::Range, thread};

use cel::{
    common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, SourceInfo},
    parser::{Expression, ParseError, Parser},
};

use super::{
    error::Mistake,
    mask::{self, Masked},
};
use crate::units::Quantity;

/// Maximum length of an expression, in bytes.
const LONGEST: usize = 16 << 10;
/// Maximum depth of parentheses.
const DEEPEST: u16 = 64;
/// Without optimization, the parser needs up to 130 KB of stack per level.
const STACK_BYTES: usize = 64 << 20;

/// A part of an expression, and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) part: Part,
}

#[derive(Debug)]
pub(super) enum Part {
    Name(String),
    Number(Quantity),
    /// A negative number, without its sign.
    Minus(Quantity),
    Text(String),
    Flag(bool),
    Null,
    List(Vec<Node>),
    /// A function by CEL's name for it. Operators are functions; what is before a dot is the first argument.
    Call(String, Vec<Node>),
    /// Something in CEL that filters do not have.
    Other(&'static str),
}

/// Parses an expression.
pub(super) fn parse(text: &str) -> Result<Node, Mistake> {
    let length = text.len();
    if length > LONGEST {
        return Err(Mistake::new(0..1, format!("the expression is too long: {length} bytes (maximum {LONGEST})")));
    }
    let masked = mask::mask(text)?;
    // In its own thread, for its stack: see STACK_BYTES.
    let parser = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || read(&masked));
    let read = parser.map(thread::JoinHandle::join);
    match read {
        Ok(Ok(node)) => node,
        Ok(Err(_)) => Err(Mistake::new(0..length, "the parser cannot read this")),
        Err(e) => Err(Mistake::new(0..length, format!("cannot start a thread for the parser: {e}"))),
    }
}

fn read(masked: &Masked) -> Result<Node, Mistake> {
    let parser = Parser::new().max_recursion_depth(DEEPEST);
    match parser.parse_with_source_info(&masked.text) {
        Ok((tree, source)) => Ok(Reader { masked, source }.node(&tree)),
        Err(errors) => Err(errors
            .errors
            .first()
            .map_or_else(|| Mistake::new(0..1, "this is not an expression"), |e| mistake(e, &masked.text))),
    }
}

struct Reader<'a> {
    masked: &'a Masked,
    source: SourceInfo,
}

impl Reader<'_> {
    fn node(&self, e: &Expression) -> Node {
        let (first, last) = self.source.offset_for(e.id).unwrap_or((0, 0));
        let (first, last) = (first as usize, last as usize);
        let span = first..last.max(first) + 1;
        let part = self.part(&e.expr, first);
        Node { span, part }
    }

    fn part(&self, expr: &Expr, at: usize) -> Part {
        match expr {
            Expr::Ident(name) => match self.masked.numbers.get(&at) {
                Some(number) => Part::Number(*number),
                None => Part::Name(name.clone()),
            },
            Expr::Literal(LiteralValue::Boolean(b)) => Part::Flag(*b.inner()),
            Expr::Literal(LiteralValue::String(s)) => Part::Text(s.inner().to_owned()),
            Expr::Literal(LiteralValue::Null) => Part::Null,
            Expr::Literal(_) => Part::Other("values of this type"),
            Expr::List(list) => Part::List(list.elements.iter().map(|e| self.node(e)).collect()),
            Expr::Call(call) => self.call(call),
            Expr::Select(SelectExpr { .. }) => Part::Other("fields of values"),
            Expr::Map(_) | Expr::Struct(_) => Part::Other("maps"),
            Expr::Comprehension(_) => Part::Other("loops over lists"),
            Expr::Unspecified => Part::Other("empty expressions"),
        }
    }

    fn call(&self, call: &CallExpr) -> Part {
        let arguments: Vec<Node> = call.target.iter().map(|t| &**t).chain(&call.args).map(|e| self.node(e)).collect();
        match (&*call.func_name, &arguments[..]) {
            ("-_", [Node { part: Part::Number(number), .. }]) => Part::Minus(*number),
            (name, _) => Part::Call(name.to_owned(), arguments),
        }
    }
}

/// Translates the parser's error.
fn mistake(e: &ParseError, text: &str) -> Mistake {
    let (line, column) = (e.pos.0.max(1) as usize, e.pos.1.max(1) as usize);
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    // Lines and columns count characters, from 1. Masked parts have as many bytes as before, all of them ASCII.
    let at = before + text[before..].chars().take(column - 1).map(char::len_utf8).sum::<usize>();
    let here = |message: &str| Mistake::new(at..at + 1, message);
    if e.msg.contains("recursion") || e.msg.contains("No `") {
        return here("the expression is nested too deeply");
    }
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else { return here("the expression ends too early") };
    match first {
        '=' => here("= is not an operator").help("use == to compare"),
        '&' => here("& is not an operator").help("use && for AND"),
        '|' => here("| is not an operator").help("use || for OR"),
        '~' => here("~ is not an operator").help(MATCHES),
        '"' | '\'' if e.msg.contains("token recognition") => here("this text has no closing quote"),
        _ => {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let word = &rest[..word.max(first.len_utf8())];
            let unexpected = Mistake::new(at..at + word.len(), format!("unexpected {}", word.escape_default()));
            match word {
                "and" => unexpected.help("use && for AND"),
                "or" => unexpected.help("use || for OR"),
                "not" => unexpected.help("use ! for NOT"),
                "matches" => unexpected.help(MATCHES),
                _ => unexpected,
            }
        }
    }
}

/// How to match a regular expression.
const MATCHES: &str = "use comm.matches('^kworker') for a regular expression";
