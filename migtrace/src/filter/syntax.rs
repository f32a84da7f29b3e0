//! Text into a tree: CEL's own parser, and its errors in words.
//!
//! The language is the Common Expression Language (<https://cel.dev>), which people know from Kubernetes, Envoy and Tetragon,
//! with the columns as its names. What is left of it is check.rs's business.

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

/// Longest expression, in bytes: more is a mistake of who made it.
const LONGEST: usize = 16 << 10;
/// How deep parentheses can be.
const DEEPEST: u16 = 64;
/// The parser takes up to 130 KB of stack a level where it is not optimized.
const STACK_BYTES: usize = 64 << 20;

/// A part of an expression, and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) part: Part,
}

#[derive(Debug)]
pub(super) enum Part {
    Name(String),
    Number(Quantity),
    /// A number below zero, without its sign.
    Minus(Quantity),
    Text(String),
    Flag(bool),
    Null,
    List(Vec<Node>),
    /// A function by CEL's name for it: operators are functions, the thing before a point is the first argument.
    Call(String, Vec<Node>),
    /// Something of CEL that filters do not have.
    Other(&'static str),
}

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Node, Mistake> {
    let length = text.len();
    if length > LONGEST {
        return Err(Mistake::new(0..1, format!("the expression has {length} bytes; {LONGEST} are the most")));
    }
    let masked = mask::mask(text)?;
    // Of its own, for its stack: see STACK_BYTES.
    let parser = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || read(&masked));
    let read = parser.map(thread::JoinHandle::join);
    match read {
        Ok(Ok(node)) => node,
        Ok(Err(_)) => Err(Mistake::new(0..length, "the parser cannot read this")),
        Err(e) => Err(Mistake::new(0..length, format!("no thread for the parser: {e}"))),
    }
}

fn read(masked: &Masked) -> Result<Node, Mistake> {
    let parser = Parser::new().max_recursion_depth(DEEPEST);
    match parser.parse_with_source_info(&masked.text) {
        Ok((tree, source)) => Ok(Reader { masked, source }.node(&tree)),
        Err(errors) => Err(errors
            .errors
            .first()
            .map_or_else(|| Mistake::new(0..1, "this is no expression"), |e| mistake(e, &masked.text))),
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

/// The parser's error in this program's words.
fn mistake(e: &ParseError, text: &str) -> Mistake {
    let (line, column) = (e.pos.0.max(1) as usize, e.pos.1.max(1) as usize);
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    // Lines and columns count characters, from 1; what was hidden is as long in bytes, and has only one byte characters.
    let at = before + text[before..].chars().take(column - 1).map(char::len_utf8).sum::<usize>();
    let here = |message: &str| Mistake::new(at..at + 1, message);
    if e.msg.contains("recursion") || e.msg.contains("No `") {
        return here("the expression is nested too deeply");
    }
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else { return here("something is missing here") };
    match first {
        '=' => here("= is no operator").help("== compares"),
        '&' => here("& is no operator").help("&& is: both"),
        '|' => here("| is no operator").help("|| is: one of the two, or both"),
        '~' => here("~ is no operator").help(MATCHES),
        '"' | '\'' if e.msg.contains("token recognition") => here("this text does not end"),
        _ => {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let word = &rest[..word.max(first.len_utf8())];
            let unexpected =
                Mistake::new(at..at + word.len(), format!("{} is not expected here", word.escape_default()));
            match word {
                "and" => unexpected.help("&& is: both"),
                "or" => unexpected.help("|| is: one of the two, or both"),
                "not" => unexpected.help("! is: not"),
                "matches" => unexpected.help(MATCHES),
                _ => unexpected,
            }
        }
    }
}

/// How to test by regular expression.
const MATCHES: &str = "comm.matches('^kworker') tests by regular expression";
