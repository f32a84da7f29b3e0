//! Passwords: basic authentication against bcrypt hashes.
//!
//! bcrypt takes tens of ms by design. It runs on a thread of its own, one at a time, and its results are remembered: a scraper
//! costs it once, and so does a client that repeats a wrong password. Remembered are keyed digests, not passwords.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use headers::{Authorization, HeaderMapExt, authorization::Basic};
use ring::{hmac, rand::SystemRandom};
use tokio::task::spawn_blocking;

use super::settings::Settings;

/// Costs that a hash may have. One of 16 takes some seconds, and a connection has ten.
const COSTS: std::ops::RangeInclusive<u32> = 4..=16;
/// Cost of the comparison for an unknown user if there are no users.
const USUAL_COST: u32 = 10;
/// Number of results that are remembered, of right and of wrong passwords.
const REMEMBERED: usize = 100;
/// Salt and hash that an unknown user's password is compared with. The result does not count.
const UNKNOWN: &str = "QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// Digest of user, hash and password.
type Digest = [u8; 32];

/// Results of comparisons.
pub(in crate::serve) struct Users {
    /// Of this process only. `None`: the kernel gave no random bytes, and nothing is remembered.
    key: Option<hmac::Key>,
    right: Mutex<VecDeque<Digest>>,
    wrong: Mutex<VecDeque<Digest>>,
    comparing: Arc<tokio::sync::Mutex<()>>,
}

impl Default for Users {
    fn default() -> Self {
        Self {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok(),
            right: Mutex::default(),
            wrong: Mutex::default(),
            comparing: Arc::default(),
        }
    }
}

impl Users {
    /// Whether `user` has this password. Takes as long for an unknown user as for a known one.
    pub(super) async fn knows(&self, hashes: &BTreeMap<String, String>, user: &str, password: &str) -> bool {
        let known = hashes.get(user);
        let hash = known.cloned().unwrap_or_else(|| unknown_users(hashes));
        let digest = self.digest(&[user, &hash, password]);
        let remembers = |results: &Mutex<VecDeque<Digest>>| {
            let results = results.lock().unwrap_or_else(PoisonError::into_inner);
            digest.is_some_and(|digest| results.contains(&digest))
        };
        if remembers(&self.right) {
            return known.is_some();
        }
        if remembers(&self.wrong) {
            return false;
        }
        let turn = Arc::clone(&self.comparing).lock_owned().await;
        let password = password.to_owned();
        let equal = spawn_blocking(move || {
            // Held until the comparison ends, also if the client is gone by then.
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        let right = equal.await.unwrap_or(false) && known.is_some();
        if let Some(digest) = digest {
            let results = if right { &self.right } else { &self.wrong };
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.truncate(REMEMBERED - 1);
            results.push_front(digest);
        }
        right
    }

    fn digest(&self, parts: &[&str]) -> Option<Digest> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().try_into().ok()
    }
}

/// A hash to compare an unknown user's password with. It costs as much as the users' hashes.
fn unknown_users(hashes: &BTreeMap<String, String>) -> String {
    let cost = hashes.values().filter_map(|hash| cost(hash)).max().unwrap_or(USUAL_COST);
    format!("$2y${cost:02}${UNKNOWN}")
}

/// The cost of a hash such as `$2y$10$...`; `None` if it is none of bcrypt.
fn cost(hash: &str) -> Option<u32> {
    hash.parse::<bcrypt::HashParts>().ok().map(|parts| parts.get_cost())
}

/// Checks that a hash is one of bcrypt, and not too costly.
pub(super) fn check_hash(hash: &str) -> Result<(), String> {
    match cost(hash) {
        Some(cost) if COSTS.contains(&cost) => Ok(()),
        Some(cost) => Err(format!("bcrypt cost {cost} (supported: {} to {})", COSTS.start(), COSTS.end())),
        None => Err("not a bcrypt hash; make one with `htpasswd -nBC 10 USER`".to_owned()),
    }
}

/// Passes a request on if its user is known, or if there are no users.
pub(in crate::serve) async fn authenticate(
    State((users, settings)): State<(Arc<Users>, Arc<Settings>)>,
    request: Request,
    next: Next,
) -> Response {
    let given = request.headers().typed_get::<Authorization<Basic>>();
    let is_known = match given {
        Some(Authorization(given)) if !settings.users.is_empty() => {
            users.knows(&settings.users, given.username(), given.password()).await
        }
        _ => false,
    };
    let mut response = if settings.users.is_empty() || is_known {
        next.run(request).await
    } else {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"migtrace\", charset=\"UTF-8\"")];
        (StatusCode::UNAUTHORIZED, challenge, "a user and password are required\n").into_response()
    };
    for (name, value) in &settings.headers {
        response.headers_mut().insert(name, value.clone());
    }
    response
}
