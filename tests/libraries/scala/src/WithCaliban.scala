// A subgraph of Caliban, by its lines.
package subgraph

import caliban.*
import caliban.federation.EntityResolver
import caliban.federation.v2_9.*
import caliban.schema.{ArgBuilder, Schema}
import com.github.plokhotnyuk.jsoniter_scala.core.{readFromString, writeToString}
import zio.*
import zio.query.ZQuery

case class ID(value: String)
given Schema[Any, ID] = Schema.scalarSchema("ID", None, None, None, id => Value.StringValue(id.value))
given ArgBuilder[ID] = ArgBuilder.string.map(ID(_))

@GQLKey("id")
case class Product(id: ID, @GQLShareable @GQLTag("listed") name: Option[String]) derives Schema.SemiAuto

case class ProductKey(id: ID) derives Schema.SemiAuto, ArgBuilder

val HORN = Product(ID("1"), Some("Horn"))

case class Query(product: Option[Product]) derives Schema.SemiAuto

object WithCaliban:
  def main(arguments: Array[String]): Unit =
    val products = EntityResolver[Any, ProductKey, Product](key =>
      ZQuery.succeed(Option.when(key.id == HORN.id)(HORN))
    )
    val api = graphQL(RootResolver(Query(Some(HORN)))) @@ federated(products)
    val line = ZIO.attemptBlocking(Option(scala.io.StdIn.readLine()))
    def serve(interpreter: GraphQLInterpreter[Any, CalibanError]): Task[Unit] = line.flatMap {
      case None => ZIO.unit
      case Some(request) =>
        val reply = interpreter.executeRequest(readFromString[GraphQLRequest](request))
        reply.flatMap(it => ZIO.attempt(println(writeToString(it)))) *> serve(interpreter)
    }
    Unsafe.unsafe(implicit unsafe => Runtime.default.unsafe.run(api.interpreter.flatMap(serve)).getOrThrow())
