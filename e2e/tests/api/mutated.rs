//! Bad input by rule: what is said of it here is what a real API server says.

use futures::StreamExt;
use futures::stream::iter;

use crate::admission::{RELEASES, send};
use crate::common::with_definition;
use crate::mutations::{self, Mutation};
use crate::structure::{SCHEMA, refusal, stored};
use crate::{objects, samples};

/// Requests under way at a time.
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_servers_verdict_on_bad_input_is_ours() {
    let raised = crate::api_server().await;
    let client = with_definition(&raised.testbed).await;
    let all = mutations::all(&SCHEMA, &samples::all(&objects::root().join("core/tests/schema/samples")));
    let many = all.len();
    let path = format!("{RELEASES}?dryRun=All&fieldValidation=Strict");
    let asked = iter(all).map(|Mutation { name, release }| {
        let (client, path) = (client.clone(), path.clone());
        async move {
            let answer = send(&client, &path, &release).await;
            match (refusal(&release), answer) {
                (Some(_), Err(_)) => None,
                (None, Ok(kept)) if kept["spec"] == stored(&release) => None,
                (None, Ok(kept)) => Some(format!("{name}: kept as {}", kept["spec"])),
                (Some(here), Ok(_)) => Some(format!("{name}: accepted there, refused here: {here}")),
                (None, Err(there)) => {
                    Some(format!("{name}: accepted here, refused there: {}", there.message))
                }
            }
        }
    });
    let wrong: Vec<String> = asked.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    assert!(wrong.is_empty(), "{} of {many}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(many > 2_000, "only {many} were tried");
    println!("{many} releases: the verdict is the same here and there");
}
