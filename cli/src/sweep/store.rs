//! A place in an object store, such as `s3://bucket/sweep`, that takes the tables of shards: pods of
//! a Job need no volume that all of them can write.
//!
//! Credentials come from where the store's own tools take them: variables such as
//! `AWS_ACCESS_KEY_ID`, `AZURE_STORAGE_ACCOUNT_NAME` or `GOOGLE_APPLICATION_CREDENTIALS`, or the
//! identity that the cluster gives a pod.

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;
use url::Url;

use crate::failure::Failure;

/// A prefix in a store.
pub struct Store {
    url: String,
    store: Box<dyn ObjectStore>,
    prefix: Path,
    runtime: Runtime,
}

impl Store {
    /// Finds the store, and asks it once, so that a slip is known before hours of simulation.
    pub fn open(url: &str) -> Result<Self, Failure> {
        let failure = |problem: String| Failure::new(format!("{url}: {problem}"));
        // Its HTTP client has TLS, but no cryptography of its own. Another one that was there first
        // would do as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failure(format!("can't start: {error}")))?;
        let parsed = Url::parse(url).map_err(|error| failure(format!("is no URL: {error}")))?;
        let (store, prefix) = object_store::parse_url_opts(&parsed, std::env::vars())
            .map_err(|error| failure(error.to_string()))?;
        let store = Self { url: url.to_owned(), store, prefix, runtime };
        store.names()?;
        Ok(store)
    }

    /// Puts a file there, under its own name; what had the name is replaced.
    pub fn put(&self, file: &FilePath) -> Result<String, Failure> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let bytes = fs::read(file)
            .map_err(|error| Failure::new(format!("{}: can't read: {error}", file.display())))?;
        let place = self.prefix.clone().join(&*name);
        self.runtime
            .block_on(self.store.put(&place, bytes.into()))
            .map_err(|error| self.refused("can't put the table there", &error))?;
        Ok(format!("{}/{name}", self.url.trim_end_matches('/')))
    }

    /// Brings all tables into a folder; gives their paths, sorted.
    pub fn fetch(&self, folder: &FilePath) -> Result<Vec<PathBuf>, Failure> {
        let tables: Vec<String> =
            self.names()?.into_iter().filter(|name| name.ends_with(".parquet")).collect();
        if tables.is_empty() {
            return Err(Failure::new(format!("{}: there are no tables (*.parquet)", self.url))
                .hint("name the place that the shards were given with `--store`"));
        }
        tables.iter().map(|name| self.fetch_one(name, folder)).collect()
    }

    fn fetch_one(&self, name: &str, folder: &FilePath) -> Result<PathBuf, Failure> {
        let place = self.prefix.clone().join(name);
        let get = async { self.store.get(&place).await?.bytes().await };
        let bytes = self
            .runtime
            .block_on(get)
            .map_err(|error| self.refused(&format!("can't get {name}"), &error))?;
        let file = folder.join(name);
        fs::write(&file, bytes)
            .map_err(|error| Failure::new(format!("{}: can't write: {error}", file.display())))?;
        Ok(file)
    }

    /// Names of what lies directly at the prefix, sorted.
    fn names(&self) -> Result<Vec<String>, Failure> {
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(&self.prefix)));
        let objects = listed.map_err(|error| self.refused("can't list it", &error))?.objects;
        let name =
            |object: &object_store::ObjectMeta| object.location.filename().map(str::to_owned);
        let mut names: Vec<String> = objects.iter().filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    fn refused(&self, what: &str, error: &object_store::Error) -> Failure {
        Failure::new(format!("{}: {what}: {error}", self.url))
            .hint("credentials and region come from the environment, as for the store's own tools")
    }
}
