//! Runs of a census as rows, and rows as runs.

use super::{
    fields::{BadRow, Fields},
    sink::Sink,
};
use crate::{
    event::{Census, PagePlace, PlaceWord},
    trace::schema::column,
    units::PAGE_BYTES,
};

pub(super) fn put<'e>(to: &mut impl Sink<'e>, e: &'e Census) {
    to.put(column::addr, e.addr);
    to.put(column::pages, e.pages);
    to.put(column::place, PlaceWord::of(e.place).word());
    to.put_if(column::nid, e.place.and_then(PagePlace::nid));
    to.put(column::latency_ns, e.reading_ns);
    to.put(column::len, e.len);
    to.put(column::class, e.class.word());
    to.put(column::permissions, &e.permissions);
    to.put(column::name, &e.name);
    to.put_if(column::policy, e.policy.map(|policy| policy.word()));
    to.put_made(column::nodemask, || e.nodes.as_ref().map(|nodes| nodes.to_string().into()));
}

pub(super) fn get(r: &Fields<'_>) -> Result<Census, BadRow> {
    let (addr, pages) = (r.need(&r.batch.addr)?, r.need(&r.batch.pages)?);
    let fits = pages > 0 && pages.checked_mul(PAGE_BYTES).is_some_and(|bytes| addr.checked_add(bytes).is_some());
    if !fits {
        return Err(BadRow { column: "pages", found: Some(pages.to_string()) });
    }
    let place = r.word::<PlaceWord>(&r.batch.place)?;
    Ok(Census {
        addr,
        pages,
        place: place.place(r.batch.nid.get(r.row)),
        reading_ns: r.need(&r.batch.latency_ns)?,
        len: r.need(&r.batch.len)?,
        class: r.word(&r.batch.class)?,
        permissions: r.need(&r.batch.permissions)?.to_owned(),
        name: r.need(&r.batch.name)?.to_owned(),
        policy: r.word_if(&r.batch.policy)?,
        nodes: r.nodemask()?,
    })
}
