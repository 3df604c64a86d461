//! A subgraph of async-graphql, by its lines.
use std::io::{stdin, stdout, BufRead, Write};

use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Schema, SimpleObject, ID};

#[derive(SimpleObject)]
struct Product {
    id: ID,
    #[graphql(shareable, tag = "listed")]
    name: Option<String>,
}

fn horn() -> Product {
    Product { id: "1".into(), name: Some("Horn".into()) }
}

struct Query;

#[Object]
impl Query {
    async fn product(&self) -> Option<Product> {
        Some(horn())
    }

    #[graphql(entity)]
    async fn find_product_by_id(&self, id: ID) -> Option<Product> {
        (id == "1").then(horn)
    }
}

fn main() {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription).enable_federation().finish();
    for line in stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line.expect("a line")).expect("a request");
        let answer = futures_executor::block_on(schema.execute(request));
        println!("{}", serde_json::to_string(&answer).expect("an answer"));
        stdout().flush().expect("standard output");
    }
}
