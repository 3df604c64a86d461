"""A hand-written program that answers the two benchmark queries only: the ceiling of what a gateway in Python
can reach. `bench.run` compares the CPU time of our gateway with it.

usage: SUBGRAPHS=127.0.0.1:4200 PORT=4111 [SHARE=1] python ceiling.py
It needs uvicorn, uvloop, httptools, msgspec and orjson.

It answers a POST whose query contains "Light" with the light query's response and every other POST with the
heavy query's, from the four subgraphs at http://$SUBGRAPHS/{accounts,products,reviews,inventory}. SHARE=1:
concurrent equal queries share one execution. Its techniques: typed decoding per fetch, msgspec.Raw for values
that are only copied, byte templates as request bodies, one representation per distinct entity, entities
shared by reference in the response, and a keep-alive client on httptools.
"""

import asyncio
import os
from typing import Any

import httptools
import msgspec
import orjson
import uvicorn
from msgspec import Raw, Struct

HOST, SUBGRAPH_PORT = os.environ.get("SUBGRAPHS", "127.0.0.1:4200").split(":")
SHARE = os.environ.get("SHARE") == "1"


class Connection(asyncio.Protocol):
    """One keep-alive connection to the subgraphs; it returns to the pool `idle` when a reply is complete."""

    def __init__(self, idle: list["Connection"]) -> None:
        self.idle = idle
        self.reply: Any = None
        self.chunks: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport, self.parser = transport, httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.chunks.append(body)

    def on_message_complete(self) -> None:
        body = self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)
        reply, self.reply, self.chunks = self.reply, None, []
        self.idle.append(self)
        if not reply.done():
            reply.set_result(body)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.idle:
            self.idle.remove(self)
        if self.reply and not self.reply.done():
            self.reply.set_exception(error or ConnectionError("subgraph closed the connection"))


idle: list[Connection] = []


async def post(path: bytes, body: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    if idle:
        connection = idle.pop()
    else:
        _, connection = await loop.create_connection(lambda: Connection(idle), HOST, int(SUBGRAPH_PORT))
    connection.reply = loop.create_future()
    connection.transport.write(
        b"POST /%b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (path, HOST.encode(), len(body), body)
    )
    answered: bytes = await connection.reply
    return answered


def operation(query: str) -> bytes:
    return b'{"query":' + orjson.dumps(query) + b"}"


def entities(selection: str) -> bytes:
    query = "query($r:[_Any!]!){_entities(representations:$r){" + selection + "}}"
    return b'{"query":' + orjson.dumps(query) + b',"variables":{"r":['


AUTHOR = "author{__typename id username reviews{id body product{__typename upc}}}"
USERS = operation("{users{__typename id username name}}")
TOP = operation("{topProducts{__typename upc name price weight}}")
LIGHT = operation("{topProducts{name price}}")
USER_REVIEWS = entities(
    "...on User{reviews{id body product{__typename upc reviews{id body " + AUTHOR + "}}}}"
)
PRODUCT_REVIEWS = entities("...on Product{reviews{id body " + AUTHOR + "}}")
STOCK = entities("...on Product{inStock shippingEstimate}")
PRODUCTS = entities("...on Product{name price weight}")
NAMES = entities("...on User{name}")


class ProductKey(Struct, gc=False):
    upc: str


class AuthorReviewIn(Struct, gc=False):
    id: Raw
    body: Raw
    product: ProductKey


class Author(Struct, gc=False):
    id: str
    username: Raw
    reviews: list[AuthorReviewIn]


class AuthorOut(Struct, gc=False):
    id: str
    username: Raw
    name: Raw
    reviews: Any


class ProductReview(Struct, gc=False):
    id: Raw
    body: Raw
    author: Author


class ReviewedProduct(Struct, gc=False):
    upc: str
    reviews: list[ProductReview]


class UserReview(Struct, gc=False):
    id: Raw
    body: Raw
    product: ReviewedProduct


class UserReviews(Struct, gc=False):
    reviews: list[UserReview]


class ProductReviews(Struct, gc=False):
    reviews: list[ProductReview]


class User(Struct, gc=False):
    id: str
    username: Raw
    name: Raw
    reviews: Any = None


class TopProduct(Struct, gc=False):
    upc: str
    name: Raw
    price: Raw
    weight: Raw


class ProductFacts(Struct, gc=False):
    name: Raw
    price: Raw
    weight: Raw


class Stock(Struct, gc=False):
    inStock: Raw
    shippingEstimate: Raw


class Name(Struct, gc=False):
    name: Raw


class ProductOut(Struct, gc=False):
    inStock: Raw
    name: Raw
    price: Raw
    shippingEstimate: Raw
    upc: str
    weight: Raw


class ProductWithReviewsOut(Struct, gc=False):
    inStock: Raw
    name: Raw
    price: Raw
    shippingEstimate: Raw
    upc: str
    weight: Raw
    reviews: Any


def reader(field: str, kind: Any) -> Any:
    """Return a function that decodes a reply {"data": {FIELD: [...]}} and returns the list.

    `kind`: the msgspec struct type of the list's items.
    """
    data: Any = msgspec.defstruct("Data", [(field, list[kind])], gc=False)
    decode: Any = msgspec.json.Decoder(msgspec.defstruct("Reply", [("data", data)], gc=False)).decode
    return lambda body: getattr(decode(body).data, field)


read_users, read_top = reader("users", User), reader("topProducts", TopProduct)
read_user_reviews, read_product_reviews = (
    reader("_entities", UserReviews),
    reader("_entities", ProductReviews),
)
read_products, read_stock, read_names = (
    reader("_entities", ProductFacts),
    reader("_entities", Stock),
    reader("_entities", Name),
)
encode = msgspec.json.Encoder().encode


def user_keys(ids: Any) -> bytes:
    return b",".join([b'{"__typename":"User","id":"%b"}' % i.encode() for i in ids]) + b"]}}"


def product_keys(upcs: Any) -> bytes:
    return b",".join([b'{"__typename":"Product","upc":"%b"}' % u.encode() for u in upcs]) + b"]}}"


def stock_keys(upcs: Any, facts: Any) -> bytes:
    rows = [
        b'{"__typename":"Product","upc":"%b","price":%b,"weight":%b}'
        % (u.encode(), bytes(f.price), bytes(f.weight))
        for u, f in zip(upcs, facts, strict=True)
    ]
    return b",".join(rows) + b"]}}"


async def users_branch() -> Any:
    users = read_users(await post(b"accounts", USERS))
    reply = await post(b"reviews", USER_REVIEWS + user_keys(u.id for u in users))
    for user, entity in zip(users, read_user_reviews(reply), strict=True):
        user.reviews = entity.reviews
    return users


async def products_branch() -> Any:
    top = read_top(await post(b"products", TOP))
    upcs = [p.upc for p in top]
    reviews, stock = await asyncio.gather(
        post(b"reviews", PRODUCT_REVIEWS + product_keys(upcs)),
        post(b"inventory", STOCK + stock_keys(upcs, top)),
    )
    return top, read_product_reviews(reviews), read_stock(stock)


async def product_facts(upcs: list[str]) -> Any:
    facts = read_products(await post(b"products", PRODUCTS + product_keys(upcs)))
    return facts, read_stock(await post(b"inventory", STOCK + stock_keys(upcs, facts)))


def collect(users: Any, top_reviews: Any) -> tuple[list[str], list[str]]:
    products: set[str] = set()
    authors: set[str] = set()
    lists = [t.reviews for t in top_reviews]
    for user in users:
        for review in user.reviews:
            products.add(review.product.upc)
            lists.append(review.product.reviews)
    for reviews in lists:
        for review in reviews:
            authors.add(review.author.id)
            for own in review.author.reviews:
                products.add(own.product.upc)
    return list(products), list(authors)


async def heavy() -> bytes:
    users, (top, top_reviews, top_stock) = await asyncio.gather(users_branch(), products_branch())
    upcs, ids = collect(users, top_reviews)
    (facts, stock), names = await asyncio.gather(
        product_facts(upcs), post(b"accounts", NAMES + user_keys(ids))
    )
    known = {u: (f, s) for u, f, s in zip(upcs, facts, stock, strict=True)}
    leaf = {
        u: Raw(encode(ProductOut(s.inStock, f.name, f.price, s.shippingEstimate, u, f.weight)))
        for u, (f, s) in known.items()
    }
    name = {i: n.name for i, n in zip(ids, read_names(names), strict=True)}

    def finish(reviews: Any) -> Any:
        for review in reviews:
            author = review.author
            for own in author.reviews:
                own.product = leaf[own.product.upc]
            review.author = AuthorOut(author.id, author.username, name[author.id], author.reviews)
        return reviews

    for user in users:
        for review in user.reviews:
            product = review.product
            f, s = known[product.upc]
            review.product = ProductWithReviewsOut(
                s.inStock, f.name, f.price, s.shippingEstimate, product.upc, f.weight, finish(product.reviews)
            )
    products = [
        ProductWithReviewsOut(
            s.inStock, t.name, t.price, s.shippingEstimate, t.upc, t.weight, finish(r.reviews)
        )
        for t, r, s in zip(top, top_reviews, top_stock, strict=True)
    ]
    return encode({"data": {"users": users, "topProducts": products}})


class Envelope(Struct, gc=False):
    data: Raw
    errors: Raw | None = None


read_envelope = msgspec.json.Decoder(Envelope).decode


async def light() -> bytes:
    reply = read_envelope(await post(b"products", LIGHT))
    return b'{"data":%b}' % bytes(reply.data)


class Request(Struct, gc=False):
    query: str


read_request = msgspec.json.Decoder(Request).decode
in_flight: dict[bytes, asyncio.Future[bytes]] = {}


async def answer(body: bytes) -> bytes:
    execute = light if "Light" in read_request(body).query else heavy
    if not SHARE:
        return await execute()
    future = in_flight.get(body)
    if future is None:
        future = in_flight[body] = asyncio.ensure_future(execute())
        future.add_done_callback(lambda _: in_flight.pop(body, None))
    return await asyncio.shield(future)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    out = await answer(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(out))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": out})


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ.get("PORT", "4111")),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        lifespan="off",
    )
