//! Users are persons: they leave and come back, and one chooses another's sub for a name.

use rand::RngExt;
use tollgate_events::AccountId;

use crate::actors::{ActContext, Actors, address};

impl Actors {
    /// What a person does.
    pub(crate) fn personal(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        match context.rng.random_range(0..10) {
            0..7 => self.leaves_and_comes_back(context),
            _ => self.takes_a_sub_for_a_name(context),
        }
    }

    /// Users who are held delete themselves, if there are any, and sign up again: at once, or
    /// when somebody takes the name.
    fn leaves_and_comes_back(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let local: Vec<_> =
            self.users.iter().filter(|(name, _)| name.starts_with("user-")).collect();
        let word = |id: &AccountId| {
            let user = context.world.cognito.user_by_id(id)?;
            user.attribute("custom:plan").map(str::to_owned)
        };
        let held: Vec<_> =
            local.iter().filter(|(_, id)| word(id).as_deref() == Some("held")).copied().collect();
        let among = if held.is_empty() { local } else { held };
        let place = context.rng.random_range(0..among.len().max(1));
        let name = among.get(place)?.0.clone();
        context.world.cognito.delete_self(&name).ok()?;
        self.users.remove(&name);
        if context.rng.random_bool(0.4) {
            return Some(format!("{name} leaves"));
        }
        let id = context.world.cognito.sign_up_confirmed(&name, &address(&name)).ok()?;
        let told = format!("{name} leaves, and signs up again as {id}");
        self.born(name, id);
        Some(told)
    }

    /// Somebody signs up whose name is another's sub.
    fn takes_a_sub_for_a_name(&mut self, context: &mut ActContext<'_>) -> Option<String> {
        let (other, sub) = self.somebody(context)?;
        let name = sub.to_string();
        let id = context.world.cognito.sign_up_confirmed(&name, &address(&name)).ok()?;
        self.takes_subs = true;
        let told = format!("somebody signs up as {id}, by the name {name}, which is {other}'s sub");
        self.born(name, id);
        Some(told)
    }
}
