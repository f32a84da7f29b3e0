//! Turns the tree into a predicate. Names, types and words are checked here, once, so that evaluation cannot fail.

use std::ops::Range;

use regex::Regex;

use super::{
    error::{Checked, Mistake},
    field::{Field, Type},
    mask::HAS,
    predicate::{Predicate, Relation, TextTest},
    ranges::Ranges,
    syntax::{Node, Part},
    values::{number, numbers, one_of, text_of, wrong_type},
};

/// The predicate that an expression means; with `not`, its negation.
pub(super) fn predicate(node: &Node, not: bool) -> Checked<Predicate> {
    match &node.part {
        Part::Call(name, arguments) => call(node, name, arguments, not),
        Part::Flag(is) => Ok(if *is == not { Predicate::Any(Vec::new()) } else { Predicate::always() }),
        Part::Name(name) => {
            let field = column(name, &node.span)?;
            match field.holds() {
                Type::Flag => Ok(Predicate::Flag { field, is: !not }),
                _ => Err(Mistake::new(node.span.clone(), format!("{name} alone is not a condition"))
                    .help(format!("compare it with a value, or test whether it has one: {name} != null"))),
            }
        }
        Part::Other(what) => Err(none_of(node, what)),
        _ => Err(Mistake::new(node.span.clone(), "this is not a condition").help("compare a column with it")),
    }
}

fn call(node: &Node, name: &str, arguments: &[Node], not: bool) -> Checked<Predicate> {
    match (name, arguments) {
        ("_&&_" | "_||_", parts) => {
            let parts = parts.iter().map(|p| predicate(p, not)).collect::<Checked<Vec<_>>>()?;
            Ok(if (name == "_&&_") == not { Predicate::any(parts) } else { Predicate::all(parts) })
        }
        ("!_", [inner]) => predicate(inner, !not),
        ("@in", [value, list]) => within(value, list, not),
        (HAS, [value]) => Ok(Predicate::Has { field: the_column(value)?, has: !not }),
        ("matches" | "startsWith" | "endsWith" | "contains", [value, text]) => text_test(name, value, text, not),
        (_, [left, right]) => match relation_of(name) {
            Some(relation) => compare(node, left, if not { relation.contrary() } else { relation }, right),
            None => Err(no_function(node, name)),
        },
        _ => Err(no_function(node, name)),
    }
}

fn relation_of(name: &str) -> Option<Relation> {
    Some(match name {
        "_==_" => Relation::Equal,
        "_!=_" => Relation::NotEqual,
        "_<_" => Relation::Less,
        "_<=_" => Relation::LessOrEqual,
        "_>_" => Relation::Greater,
        "_>=_" => Relation::GreaterOrEqual,
        _ => return None,
    })
}

fn no_function(node: &Node, name: &str) -> Mistake {
    let what = match name {
        "_+_" | "_-_" | "_*_" | "_/_" | "_%_" | "-_" => "filters have no arithmetic".to_owned(),
        "_?_:_" => "filters have no ?:, use && and ||".to_owned(),
        "_[_]" => "filters have no indexing".to_owned(),
        "_&&_" | "_||_" | "!_" | "@in" => "a condition cannot be compared".to_owned(),
        HAS => "has() takes one column".to_owned(),
        "matches" | "startsWith" | "endsWith" | "contains" => format!("{name}() takes one text: comm.{name}(\"x\")"),
        name => {
            let functions = ["matches", "startsWith", "endsWith", "contains", "has"];
            let mistake = Mistake::new(node.span.clone(), format!("unknown function {}", name.escape_default()));
            return mistake.suggest(name, functions);
        }
    };
    Mistake::new(node.span.clone(), what)
}

fn none_of(node: &Node, what: &str) -> Mistake {
    Mistake::new(node.span.clone(), format!("filters have no {what}"))
}

/// The column of this name.
fn column(name: &str, span: &Range<usize>) -> Checked<Field> {
    Field::by_name(name).ok_or_else(|| {
        let what = format!("unknown column {}", name.escape_default());
        Mistake::new(span.clone(), what).suggest(name, Field::all().map(Field::name))
    })
}

/// The column that a part names.
///
/// # Errors
/// The part is not a column.
fn the_column(node: &Node) -> Checked<Field> {
    match &node.part {
        Part::Name(name) => column(name, &node.span),
        _ => Err(Mistake::new(node.span.clone(), "expected a column")),
    }
}

fn compare(node: &Node, left: &Node, relation: Relation, right: &Node) -> Checked<Predicate> {
    // A name is a column, unless it is compared with a text column that has it as a word: `result == failed`.
    if let Some(field) = word_of(left, right) {
        return with_value(field, relation, right);
    }
    if let Some(field) = word_of(right, left) {
        return with_value(field, relation.exchanged(), left);
    }
    match (&left.part, &right.part) {
        (Part::Name(a), Part::Name(b)) => columns(node, column(a, &left.span)?, relation, column(b, &right.span)?),
        (Part::Name(name), _) => with_value(column(name, &left.span)?, relation, right),
        (_, Part::Name(name)) => with_value(column(name, &right.span)?, relation.exchanged(), left),
        (Part::Call(name, _), _) if relation_of(name).is_none() => Err(no_function(left, name)),
        (_, Part::Call(name, _)) if relation_of(name).is_none() => Err(no_function(right, name)),
        (Part::Other(what), _) => Err(none_of(left, what)),
        (_, Part::Other(what)) => Err(none_of(right, what)),
        _ => Err(Mistake::new(node.span.clone(), "expected a column on one side")),
    }
}

/// The text column that `side` names, if `other` must be one of its words.
fn word_of(side: &Node, other: &Node) -> Option<Field> {
    let (Part::Name(side), Part::Name(other)) = (&side.part, &other.part) else { return None };
    let field = Field::by_name(side)?;
    let Type::Text(words) = field.holds() else { return None };
    (words.listed().contains(&&**other) || Field::by_name(other).is_none()).then_some(field)
}

fn columns(node: &Node, left: Field, relation: Relation, right: Field) -> Checked<Predicate> {
    let ordered = !matches!(relation, Relation::Equal | Relation::NotEqual);
    let why = match (left.holds(), right.holds()) {
        (Type::Number { unit: a, .. }, Type::Number { unit: b, .. }) if a == b => None,
        (Type::Number { .. }, Type::Number { .. }) => Some("they have different units"),
        (Type::Text(_), Type::Text(_)) | (Type::Flag, Type::Flag) if !ordered => None,
        (Type::Text(_), Type::Text(_)) | (Type::Flag, Type::Flag) => Some("they have no order"),
        _ => Some("they have different types"),
    };
    match why {
        None => Ok(Predicate::Pair { left, relation, right }),
        Some(why) => {
            let what = format!("{} and {} cannot be compared so: {why}", left.name(), right.name());
            Err(Mistake::new(node.span.clone(), what))
        }
    }
}

/// A column against a value.
fn with_value(field: Field, relation: Relation, value: &Node) -> Checked<Predicate> {
    let equality = match relation {
        Relation::Equal => Some(true),
        Relation::NotEqual => Some(false),
        _ => None,
    };
    let no_order = |what: &str| Mistake::new(value.span.clone(), format!("{what} has no order")).help("use == or !=");
    if matches!(value.part, Part::Null) {
        let equal = equality.ok_or_else(|| no_order("null"))?;
        return Ok(Predicate::Has { field, has: !equal });
    }
    match field.holds() {
        Type::Number { domain, unit } => {
            let n = number(field, unit, value)?;
            let within = Ranges::new(match relation {
                Relation::Equal => vec![n..=n],
                Relation::NotEqual => vec![i128::MIN..=n - 1, n + 1..=i128::MAX],
                Relation::Less => vec![i128::MIN..=n - 1],
                Relation::LessOrEqual => vec![i128::MIN..=n],
                Relation::Greater => vec![n + 1..=i128::MAX],
                Relation::GreaterOrEqual => vec![n..=i128::MAX],
            });
            numbers(field, &domain, within, &value.span)
        }
        Type::Flag => match value.part {
            Part::Flag(is) => Ok(Predicate::Flag { field, is: equality.ok_or_else(|| no_order("true"))? == is }),
            _ => Err(wrong_type(field, "true or false", value)),
        },
        Type::Text(words) => {
            let text = text_of(field, words, value)?;
            one_of(field, vec![text], equality.ok_or_else(|| no_order(field.name()))?, value)
        }
    }
}

/// `column in [values]`.
fn within(value: &Node, list: &Node, not: bool) -> Checked<Predicate> {
    let field = the_column(value)?;
    let Part::List(values) = &list.part else {
        let what = "expected a list";
        return Err(Mistake::new(list.span.clone(), what).help(format!("for example {} in [a, b]", field.name())));
    };
    match field.holds() {
        Type::Number { domain, unit } => {
            let points = values.iter().map(|v| number(field, unit, v)).collect::<Checked<Vec<_>>>()?;
            let points = Ranges::points(points);
            let within = if not { points.complement(&domain) } else { points };
            numbers(field, &domain, within, &list.span)
        }
        Type::Text(words) => {
            let texts = values.iter().map(|v| text_of(field, words, v)).collect::<Checked<Vec<_>>>()?;
            one_of(field, texts, !not, list)
        }
        Type::Flag => Err(Mistake::new(list.span.clone(), format!("{} is true or false", field.name()))),
    }
}

fn text_test(name: &str, value: &Node, argument: &Node, not: bool) -> Checked<Predicate> {
    let field = the_column(value)?;
    if !matches!(field.holds(), Type::Text(_)) {
        return Err(Mistake::new(value.span.clone(), format!("{} is not a text column", field.name())));
    }
    let Part::Text(text) = &argument.part else {
        let what = format!("{name}() takes a text");
        return Err(
            Mistake::new(argument.span.clone(), what).help(format!("for example {}.{name}(\"x\")", field.name()))
        );
    };
    let test = match name {
        "startsWith" => TextTest::StartsWith(text.clone()),
        "endsWith" => TextTest::EndsWith(text.clone()),
        "contains" => TextTest::Contains(text.clone()),
        _ => TextTest::Matches(Regex::new(text).map_err(|e| {
            // Its message has several lines; the last one names the mistake.
            let why = e.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Mistake::new(argument.span.clone(), format!("invalid regular expression: {why}"))
        })?),
    };
    Ok(Predicate::Text { field, test, holds: !not })
}
