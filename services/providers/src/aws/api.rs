//! The AWS Sustainability API: the same months as the exports, asked for. Requests are signed by
//! AWS's own signer (`aws-sigv4`); the whole SDK would bring a second HTTP client and a second
//! provider of cryptography.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use carbon_kube_core::{GramsCo2e, Time, Zone};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

use super::{Emissions, grams, month};
use crate::answer::{self, malformed};
use crate::config::AwsConfig;
use crate::error::ProviderError;
use crate::guard::{Call, Context, Guard};
use crate::provider::Health;
use crate::secret::KeySource;
use crate::transport::Request;

/// The service's name in signatures and addresses.
const SERVICE: &str = "sustainability";
/// The most pages of one call.
const MOST_PAGES: usize = 100;

/// The AWS Sustainability API.
#[derive(Debug)]
pub struct Sustainability {
    config: AwsConfig,
    guard: Guard,
}

/// One page.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    results: Vec<Item>,
    next_token: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    time_period: Period,
    #[serde(default)]
    dimensions_values: BTreeMap<String, String>,
    emissions_values: BTreeMap<String, Amount>,
    #[serde(default)]
    model_version: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Period {
    start: String,
    end: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Amount {
    value: f64,
    unit: String,
}

impl Sustainability {
    /// The API of a section.
    #[must_use]
    pub fn new(config: &AwsConfig, context: &Context) -> Self {
        Self { config: config.clone(), guard: Guard::new("aws", &config.guard, context) }
    }

    /// What each region emitted in each month of `[from, to)`.
    ///
    /// # Errors
    ///
    /// [`ProviderError`].
    pub async fn months(&self, from: Time, to: Time) -> Result<Vec<Emissions>, ProviderError> {
        // An account is of no zone; the guard wants one for its breaker.
        let zone: Zone = "AWS".parse().map_err(|_| malformed("no zone"))?;
        let (mut rows, mut token) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let request = self.request(from, to, token.as_deref());
            let request = request.map_err(|problem| self.guard.unasked(&zone, problem))?;
            let call = Call { zone: &zone, name: None, optional: false, request };
            let page = self.guard.fetch(call, |_, _| false, answer::json::<Page>).await?.value;
            for item in &page.results {
                rows.push(emissions(item).map_err(malformed)?);
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(rows);
            }
        }
        Err(malformed("pages without an end"))
    }

    /// What the guard has seen, for metrics.
    #[must_use]
    pub fn health(&self) -> Health {
        self.guard.health()
    }

    fn request(&self, from: Time, to: Time, token: Option<&str>) -> Result<Request, ProviderError> {
        let date = |at: Time| at.utc().date().to_string();
        let mut body = json!({
            "TimePeriod": {"Start": date(from), "End": date(to)},
            "GroupBy": ["REGION"],
            "EmissionsTypes": ["TOTAL_LBM_CARBON_EMISSIONS", "TOTAL_MBM_CARBON_EMISSIONS"],
            "Granularity": "MONTHLY",
        });
        if let Some(token) = token {
            body["NextToken"] = json!(token);
        }
        let body = body.to_string();
        let standard = || format!("https://{SERVICE}.{}.api.aws", self.config.region);
        let base = self.config.base_url.clone().unwrap_or_else(standard);
        let url = format!("{}/v1/estimated-carbon-emissions", base.trim_end_matches('/'));
        self.signed(url, body)
    }

    fn signed(&self, url: String, body: String) -> Result<Request, ProviderError> {
        let unsigned = || ProviderError::Configuration("the request can't be signed".to_owned());
        let identity = self.credentials()?.into();
        let now = Duration::from_millis(u64::try_from(self.guard.now().millis()).unwrap_or(0));
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.config.region)
            .name(SERVICE)
            .time(SystemTime::UNIX_EPOCH + now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| unsigned())?
            .into();
        let headers = [("content-type", "application/json")];
        let signable = SignableRequest::new(
            "POST",
            &url,
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(|_| unsigned())?;
        let (instructions, _) = sign(signable, &params).map_err(|_| unsigned())?.into_parts();
        let mut request = Request::post(url, body);
        for (name, value) in instructions.headers() {
            request = match name {
                "authorization" => request.secret_header("authorization", value.into()),
                "x-amz-date" => request.header("x-amz-date", value),
                "x-amz-security-token" => {
                    request.secret_header("x-amz-security-token", value.into())
                }
                _ => return Err(unsigned()),
            };
        }
        Ok(request)
    }

    fn credentials(&self) -> Result<Credentials, ProviderError> {
        let source = |file: &Option<std::path::PathBuf>, env: &str| KeySource {
            env: Some(env.to_owned()),
            file: file.clone(),
        };
        let id = source(&self.config.access_key_id_file, "AWS_ACCESS_KEY_ID").read()?;
        let secret = source(&self.config.secret_access_key_file, "AWS_SECRET_ACCESS_KEY").read()?;
        // Keys that don't expire have no token.
        let token = source(&self.config.session_token_file, "AWS_SESSION_TOKEN").read().ok();
        Ok(Credentials::new(
            id.expose_secret(),
            secret.expose_secret(),
            token.map(|token| token.expose_secret().to_owned()),
            None,
            "carbon-kube",
        ))
    }
}

fn emissions(item: &Item) -> Result<Emissions, &'static str> {
    let amount = |name: &str| -> Result<Option<GramsCo2e>, &'static str> {
        let amount = item.emissions_values.get(name);
        amount.map(|amount| grams(amount.value, &amount.unit)).transpose()
    };
    Ok(Emissions {
        region: item.dimensions_values.get("REGION").cloned().unwrap_or_default(),
        start: month(&item.time_period.start)?,
        end: month(&item.time_period.end)?,
        location_based: amount("TOTAL_LBM_CARBON_EMISSIONS")?.unwrap_or_default(),
        market_based: amount("TOTAL_MBM_CARBON_EMISSIONS")?,
        model_version: item.model_version.clone(),
    })
}
