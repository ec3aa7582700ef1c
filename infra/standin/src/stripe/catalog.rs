//! Products and prices.
//! <https://docs.stripe.com/api/prices>, <https://docs.stripe.com/products-prices/manage-prices#lookup-keys>

use super::error::{StripeError, StripeResult};
use super::model::{Interval, Metadata, Price, Product};
use super::state::Stripe;

/// A price to be made.
#[derive(Debug, Clone)]
pub struct NewPrice {
    /// Its product.
    pub product: String,
    /// ISO 4217, lower case.
    pub currency: String,
    /// In the currency's smallest unit.
    pub unit_amount: i64,
    /// Its period's unit.
    pub interval: Interval,
    /// How many units a period has.
    pub interval_count: i64,
    /// The meter whose usage it bills: then it is metered, and takes no quantity.
    pub meter: Option<String>,
    /// Its lookup key.
    pub lookup_key: Option<String>,
    /// Whether the key may be taken from another price.
    pub transfer_lookup_key: bool,
    /// For people.
    pub nickname: Option<String>,
    /// Its metadata.
    pub metadata: Metadata,
}

impl NewPrice {
    /// A price in US cents.
    pub fn new(product: &str, interval: Interval, unit_amount: i64) -> Self {
        Self {
            product: product.to_owned(),
            currency: "usd".into(),
            unit_amount,
            interval,
            interval_count: 1,
            meter: None,
            lookup_key: None,
            transfer_lookup_key: false,
            nickname: None,
            metadata: Metadata::new(),
        }
    }

    /// Billed by what a meter counts.
    /// <https://docs.stripe.com/billing/subscriptions/usage-based>
    #[must_use]
    pub fn metered(self) -> Self {
        Self { meter: Some("mtr_1".into()), ..self }
    }

    /// With a lookup key, taken from whoever has it.
    #[must_use]
    pub fn lookup_key(self, key: &str) -> Self {
        Self { lookup_key: Some(key.to_owned()), transfer_lookup_key: true, ..self }
    }
}

impl Stripe {
    /// `POST /v1/products`. Events: `product.created`.
    pub fn create_product(&mut self, name: &str, metadata: Metadata) -> String {
        let id = self.mint("prod_");
        let product =
            Product { id: id.clone(), created: self.now, name: name.to_owned(), metadata };
        self.products.insert(&id, product);
        self.tell("product.created", &id);
        id
    }

    /// `POST /v1/prices`. Events: `price.updated` for the price that loses its lookup
    /// key, then `plan.created` and `price.created`.
    ///
    /// # Errors
    /// No such product; a period of no or more than three years; an amount out of range;
    /// the lookup key is another price's and is not to be transferred.
    pub fn create_price(&mut self, new: NewPrice) -> StripeResult<String> {
        if self.products.get(&new.product).is_none() {
            return Err(StripeError::no_such("product", &new.product, "product"));
        }
        let longest = match new.interval {
            Interval::Day => 3 * 365,
            Interval::Week => 156,
            Interval::Month => 36,
            Interval::Year => 3,
        };
        if !(1..=longest).contains(&new.interval_count) {
            let message = "The maximum number of years is three";
            return Err(StripeError::bad_parameter("recurring[interval_count]", message));
        }
        if !(0..=99_999_999).contains(&new.unit_amount) {
            return Err(StripeError::bad_parameter("unit_amount", "Invalid unit amount"));
        }
        if let Some(key) = &new.lookup_key {
            self.free_lookup_key(key, new.transfer_lookup_key)?;
        }
        let id = self.mint("price_1");
        let price = Price {
            id: id.clone(),
            created: self.now,
            product: new.product,
            currency: new.currency,
            unit_amount: new.unit_amount,
            interval: new.interval,
            interval_count: new.interval_count,
            meter: new.meter,
            lookup_key: new.lookup_key,
            active: true,
            nickname: new.nickname,
            metadata: new.metadata,
        };
        let plan = self.show_plan(&price);
        self.prices.insert(&id, price);
        self.emit("plan.created", plan);
        self.tell("price.created", &id);
        Ok(id)
    }

    /// A product and a price for it, in US cents, with a lookup key.
    ///
    /// # Errors
    /// The lookup key is in use: it is not taken from another price here.
    pub fn add_product_price(
        &mut self,
        name: &str,
        interval: Interval,
        unit_amount: i64,
        lookup_key: &str,
    ) -> StripeResult<String> {
        let product = self.create_product(name, Metadata::new());
        let price = NewPrice::new(&product, interval, unit_amount).lookup_key(lookup_key);
        self.create_price(NewPrice { transfer_lookup_key: false, ..price })
    }

    /// Takes a price out of sale, or puts it back: `POST /v1/prices/{id}` with `active`.
    /// Who pays it goes on paying it. Events: `price.updated`.
    ///
    /// # Errors
    /// No such price.
    pub fn set_price_active(&mut self, id: &str, active: bool) -> StripeResult<()> {
        self.price(id)?;
        self.change("price.updated", id, |stripe| {
            if let Some(price) = stripe.prices.get_mut(id) {
                price.active = active;
            }
        });
        Ok(())
    }

    /// The price that a lookup key points to.
    pub fn price_by_lookup_key(&self, key: &str) -> Option<&Price> {
        self.prices.newest_first().find(|price| price.lookup_key.as_deref() == Some(key))
    }

    fn free_lookup_key(&mut self, key: &str, transfer: bool) -> StripeResult<()> {
        let Some(holder) = self.price_by_lookup_key(key).map(|price| price.id.clone()) else {
            return Ok(());
        };
        if !transfer {
            let message = format!("A price (`{holder}`) already uses that lookup key.");
            return Err(StripeError {
                param: Some("lookup_key".into()),
                ..StripeError::invalid(message)
            });
        }
        self.change("price.updated", &holder, |stripe| {
            if let Some(price) = stripe.prices.get_mut(&holder) {
                price.lookup_key = None;
            }
        });
        Ok(())
    }
}
