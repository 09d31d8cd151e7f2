//! Secrets.

use crate::spec::Stack;

use super::amounts::Quantity;
use super::bill::Bill;

pub(super) fn secrets(stack: &Stack, bill: &mut Bill<'_>) {
    for (name, service) in &stack.services {
        // Secrets that exist are paid for already.
        let own = service
            .secrets
            .values()
            .filter(|secret| secret.value.is_some());
        bill.charge(
            &format!("services.{name}.secrets"),
            "secrets",
            "secret",
            Quantity::whole(own.count() as u64),
        );
    }
}
