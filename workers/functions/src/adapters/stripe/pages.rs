//! The rows of a listing, each read for itself.

use tollgate_core::ports::{Class, Page, PortError, PortResult, Unreadable};
use tollgate_core::stripe::Subscription;

use super::answer::{Object, Odd};
use super::views;
use crate::adapters::error::Operation;

/// Reads the rows of a page, each for itself. The next page begins after the last row that has
/// an id, readable or not; rows behind that one come again there.
///
/// # Errors
/// The list goes on, and says not where.
pub fn read_page<T>(
    operation: Operation,
    rows: &[&str],
    goes_on: bool,
    read: impl Fn(&Object<'_>) -> Result<T, Odd>,
) -> PortResult<Page<T>> {
    let listing = (operation.service, operation.name);
    let id = |raw: &&str| Object::read(raw)?.text("id");
    let (mut page, mut rows) = (Page::whole(Vec::new(), None), rows);
    if goes_on {
        let no_end = || operation.error(Class::Invalid, "no row of a page that goes on has an id");
        let last = rows.iter().rposition(|raw| id(raw).is_some()).ok_or_else(no_end)?;
        rows = &rows[..=last];
        page.next = rows.last().and_then(id);
    }
    for raw in rows {
        match Object::read(raw) {
            Some(object) => match read(&object) {
                Ok(item) => page.items.push(item),
                Err(odd) => page.unreadable.push(Unreadable {
                    named: views::named(&object),
                    ..Unreadable::new(listing, id(raw).as_deref(), object.id_in("customer"), odd)
                }),
            },
            None => page.unreadable.push(Unreadable::new(listing, None, None, "no object")),
        }
    }
    Ok(page)
}

/// A subscription whose items cannot be read.
pub(super) fn left_out(known: &Subscription, error: &PortError) -> Unreadable {
    let listing = (error.service, error.operation);
    let owner = Some(known.customer.to_string());
    let row = Unreadable::new(listing, Some(known.id.as_str()), owner, &error.detail);
    Unreadable { named: known.named.clone(), ..row }
}

/// The rows of a listing that decides for somebody: one that cannot be read is not nothing.
///
/// # Errors
/// One cannot be read.
pub fn every_row<T>(operation: Operation, page: Page<T>) -> PortResult<Vec<T>> {
    match page.unreadable.first() {
        None => Ok(page.items),
        Some(Unreadable { row, why, .. }) => {
            Err(operation.error(Class::Invalid, format!("in the answer: {row}: {why}")))
        }
    }
}
