//! `plans.toml` as it is edited: comments and order stay as they are.
//!
//! Every edit is written at once and as a whole (a new file takes the old one's place), so
//! that an interrupted apply leaves a file that says what has been done so far. The first
//! edit raises `revision`: what maps prices and keys to plans has changed, and a worker
//! that still has the file before must not overrule one that has it after.

use std::path::{Path, PathBuf};

use tollgate_core::account::{PlanId, UsagePlanId};
use tollgate_core::catalog::CatalogDraft;
use tollgate_events::ProductId;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use crate::cli::Failure;

/// What can be edited.
const TABLES: &str = "Write each plan as a [[plans]] table of its own.";

/// The file.
pub(super) struct PlansFile {
    path: PathBuf,
    document: DocumentMut,
    raised: bool,
}

impl PlansFile {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// It cannot be read, breaks a rule, or could not be edited.
    pub(super) fn read(path: &Path) -> Result<(Self, CatalogDraft), Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let problem = format!("{} cannot be read: {error}", path.display());
            Failure::usage(problem, "Name the file, as the last word of the command.")
        })?;
        let draft =
            CatalogDraft::parse(&text).map_err(|error| error.of(&path.display().to_string()))?;
        let document = text.parse::<DocumentMut>();
        let document = document
            .map_err(|error| Failure::usage(error.to_string(), "Correct the file: it is TOML."))?;
        if !document.get("plans").is_some_and(Item::is_array_of_tables) {
            let problem = format!("{} has its plans in one value", path.display());
            return Err(Failure::usage(problem, TABLES));
        }
        // Whoever has a link to the file keeps it: the file itself is replaced.
        let path = std::fs::canonicalize(path)?;
        Ok((Self { path, document, raised: false }, draft))
    }

    /// The file's revision now.
    pub(super) fn revision(&self) -> i64 {
        self.document["revision"].as_integer().unwrap_or_default()
    }

    /// Writes down a plan's usage plan.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn record_usage_plan(
        &mut self,
        plan: &PlanId,
        id: &UsagePlanId,
    ) -> Result<(), Failure> {
        let table = self.plan(plan)?;
        match table.get_mut("usage_plan").and_then(Item::as_value_mut) {
            Some(value) => replace(value, id.as_str().into()),
            None => drop(table.insert("usage_plan", id.as_str().into())),
        }
        self.save()
    }

    /// Adds a product to a plan's.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn record_product(&mut self, plan: &PlanId, id: &ProductId) -> Result<(), Failure> {
        let table = self.plan(plan)?;
        match table.get_mut("products").and_then(Item::as_array_mut) {
            Some(products) => products.push(id.as_str()),
            None => drop(table.insert("products", Array::from_iter([id.as_str()]).into())),
        }
        self.save()
    }

    /// Writes down the portal's configuration.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn record_portal(&mut self, id: &str) -> Result<(), Failure> {
        let table = self.document.entry("portal").or_insert_with(toml_edit::table);
        match table.get_mut("configuration").and_then(Item::as_value_mut) {
            Some(value) => replace(value, id.into()),
            None => table["configuration"] = id.into(),
        }
        self.save()
    }

    fn plan(&mut self, plan: &PlanId) -> Result<&mut Table, Failure> {
        let plans = self.document.get_mut("plans").and_then(Item::as_array_of_tables_mut);
        let mut plans = plans.into_iter().flat_map(|plans| plans.iter_mut());
        let is_it =
            |table: &&mut Table| table.get("id").and_then(Item::as_str) == Some(plan.as_str());
        plans.find(is_it).ok_or_else(|| {
            let problem = format!("{} has no [[plans]] table for `{plan}`", self.path.display());
            Failure::usage(problem, TABLES)
        })
    }

    fn save(&mut self) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.raised, true) {
            let next = self.revision() + 1;
            if let Some(value) = self.document["revision"].as_value_mut() {
                replace(value, next.into());
            }
        }
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let written = std::fs::write(&beside, self.document.to_string());
        written.and_then(|()| std::fs::rename(&beside, &self.path)).map_err(|error| {
            let problem = format!("{} cannot be written: {error}", self.path.display());
            Failure::failed(problem, "Make room or change its permissions, and repeat the command.")
        })
    }
}

/// A new value in the place of an old one: what stands around it stays.
fn replace(value: &mut Value, new: Value) {
    let decor = value.decor().clone();
    *value = new;
    *value.decor_mut() = decor;
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# What we sell.
revision = 7   # raise it
stages = ["api1:prod"]

[[plans]]
id = "free"        # for everybody
rank = 0
usage_plan = ""    # not yet

# The good one.
[[plans]]
rank = 1
id = "pro"
products = ["prod_old"] # for ever

[[plans.offers]]
lookup_key = "pro"
unit_amount = 100
currency = "usd"
interval = "month"
"#;

    /// A folder of a test's own.
    fn folder(name: &str) -> PathBuf {
        let name = format!("tollgate-plans-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn plans_that_cannot_be_edited_are_refused_before_anything_is_done() {
        let folder = folder("inline");
        let path = folder.join("plans.toml");
        let inline = "revision = 1\nstages = [\"api1:prod\"]\nplans = [{ id = \"a\", rank = 0 }]\n";
        assert!(CatalogDraft::parse(inline).is_ok());
        std::fs::write(&path, inline).unwrap();
        let failure = PlansFile::read(&path).map(drop).unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(failure.mend, TABLES);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = folder("link");
        let (path, link) = (folder.join("plans.toml"), folder.join("link.toml"));
        std::fs::write(&path, TEXT).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let (mut file, _) = PlansFile::read(&link).unwrap();
        let (plan, id) = (PlanId::parse("pro").unwrap(), UsagePlanId::parse("u1").unwrap());
        file.record_usage_plan(&plan, &id).unwrap();
        let is_link = std::fs::symlink_metadata(&link).unwrap().is_symlink();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(is_link && text.contains("usage_plan = \"u1\""), "{text}");
    }

    #[test]
    fn edits_keep_comments_and_order_and_raise_the_revision_once() {
        let folder = folder("edits");
        let path = folder.join("plans.toml");
        std::fs::write(&path, TEXT).unwrap();
        let plan = |id: &str| PlanId::parse(id).unwrap();
        let usage_plan = |id: &str| UsagePlanId::parse(id).unwrap();
        let (mut file, _) = PlansFile::read(&path).unwrap();
        file.record_usage_plan(&plan("free"), &usage_plan("u1")).unwrap();
        file.record_usage_plan(&plan("pro"), &usage_plan("u2")).unwrap();
        file.record_product(&plan("pro"), &ProductId::parse("prod_new").unwrap()).unwrap();
        file.record_product(&plan("free"), &ProductId::parse("prod_1").unwrap()).unwrap();
        file.record_portal("bpc_0").unwrap();
        file.record_portal("bpc_1").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let expected = TEXT
            .replace("revision = 7", "revision = 8")
            .replace(
                "usage_plan = \"\"    # not yet",
                "usage_plan = \"u1\"    # not yet\nproducts = [\"prod_1\"]",
            )
            .replace(
                "[\"prod_old\"] # for ever",
                "[\"prod_old\", \"prod_new\"] # for ever\nusage_plan = \"u2\"",
            );
        let expected = format!("{expected}\n[portal]\nconfiguration = \"bpc_1\"\n");
        assert_eq!(text, expected);
        assert!(CatalogDraft::parse(&text).is_ok());
    }
}
