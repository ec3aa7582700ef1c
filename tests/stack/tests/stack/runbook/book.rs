//! docs/runbook.md, followed word by word.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use tollgate_local::stack::Stack;

use crate::command::{Input, Operator, Said};
use crate::shop::Shop;

const BOOK: &str = include_str!("../../../../../docs/runbook.md");

/// Every chapter's title, in order.
pub(super) fn chapters() -> Vec<&'static str> {
    BOOK.lines().filter_map(|line| line.strip_prefix("## ")).collect()
}

/// A catalog in a file of its own.
pub(super) fn written(name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml"));
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Somebody who follows a chapter: every command in it is run, in its order, and no other.
pub(super) struct Responder<'a> {
    operator: Operator<&'a Stack>,
    commands: VecDeque<&'static str>,
    /// How many there were.
    length: usize,
    /// What stands for a word of the book in capitals.
    words: BTreeMap<&'static str, String>,
    /// The catalog that the operator has.
    plans: PathBuf,
}

impl<'a> Responder<'a> {
    /// Opens the chapter of this title.
    pub(super) fn opens(title: &str, shop: &'a Shop) -> anyhow::Result<Self> {
        let name = shop.stack.urls.aws.replace(['/', ':'], "-");
        let plans = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("runbook-{name}.toml"));
        let mut operator = Operator::of(&shop.stack);
        operator.environment.insert("USER", "ops".to_owned());
        let responder = Self::at(title, operator, plans);
        responder.writes_plans(&shop.stack.world.plans_toml)?;
        Ok(responder)
    }

    /// Turns to another chapter, with the same environment and the same catalog.
    pub(super) fn turns_to(&self, title: &str) -> Self {
        let mut operator = Operator::of(self.operator.stack);
        operator.environment.clone_from(&self.operator.environment);
        Self::at(title, operator, self.plans.clone())
    }

    fn at(title: &str, operator: Operator<&'a Stack>, plans: PathBuf) -> Self {
        let chapter = BOOK.split("\n## ").find(|chapter| chapter.lines().next() == Some(title));
        let chapter = chapter.unwrap_or_else(|| panic!("there is no chapter `{title}`"));
        let commands: VecDeque<_> =
            chapter.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
        assert!(!commands.is_empty(), "`{title}` has no commands");
        let (length, words) = (commands.len(), BTreeMap::new());
        Self { operator, commands, length, words, plans }
    }

    /// Knows what a word in capitals stands for.
    pub(super) fn knows(mut self, word: &'static str, is: impl Into<String>) -> Self {
        self.words.insert(word, is.into());
        self
    }

    /// Has a Stripe key of their own from now on.
    pub(super) fn has_key(&mut self, key: &str) {
        self.operator.environment.insert("STRIPE_SECRET_KEY", key.to_owned());
    }

    /// Has another catalog from now on.
    pub(super) fn writes_plans(&self, text: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(&self.plans, text)?)
    }

    /// Runs the next command of the chapter, which must begin so after `tollgate --stack shop`,
    /// and says yes to what it asks. The stack goes on meanwhile.
    pub(super) async fn runs(&mut self, beginning: &str) -> Said {
        let line = self.commands.pop_front().unwrap_or_else(|| panic!("no `{beginning}` is left"));
        let command = line.strip_prefix("tollgate --stack shop ");
        let command = command.filter(|command| command.starts_with(beginning));
        let command = command.unwrap_or_else(|| panic!("the book says `{line}`"));
        let mut line: Vec<_> = command
            .split(' ')
            .map(|word| self.words.get(word).cloned().unwrap_or_else(|| word.to_owned()))
            .collect();
        // Where the operator's own catalog lies.
        if ["reconcile", "events replay"].iter().any(|it| command.starts_with(it)) {
            line.push(format!("--plans {}", self.plans.display()));
        } else if ["doctor", "plans apply"].iter().any(|it| command.starts_with(it)) {
            line.push(self.plans.display().to_string());
        }
        let line = line.join(" ");
        // Boxed: a chapter's future holds one of each of its commands.
        let said = self.operator.tollgate_while_it_runs(&line, Input::Typed("yes\n"));
        let said = Box::pin(said).await;
        said.expect("the stack goes on")
    }

    /// The same, and it ends well.
    pub(super) async fn succeeds(&mut self, beginning: &str) -> String {
        let said = self.runs(beginning).await;
        assert_eq!(said.exit, 0, "{beginning}: {}\n{}", said.out, said.err);
        said.out
    }

    /// The next line of the chapter is no command of Tollgate's; the test does what it does.
    pub(super) fn does_by_hand(&mut self, line: &str) {
        assert_eq!(self.commands.pop_front(), Some(line));
    }

    /// Some of the chapter's commands have been run, and some have not.
    pub(super) fn is_in_the_middle(&self) {
        let left = self.commands.len();
        assert!(left > 0 && left < self.length, "{left} of {} are left", self.length);
    }

    /// The chapter is at its end.
    pub(super) fn ends(self) {
        assert_eq!(self.commands, VecDeque::new(), "left over");
    }
}
