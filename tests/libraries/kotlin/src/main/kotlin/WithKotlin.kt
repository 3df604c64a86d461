// A subgraph of graphql-kotlin-federation, by its lines.
package subgraph

import com.expediagroup.graphql.generator.TopLevelObject
import com.expediagroup.graphql.generator.federation.FederatedSchemaGeneratorConfig
import com.expediagroup.graphql.generator.federation.FederatedSchemaGeneratorHooks
import com.expediagroup.graphql.generator.federation.directives.FieldSet
import com.expediagroup.graphql.generator.federation.directives.KeyDirective
import com.expediagroup.graphql.generator.federation.directives.ShareableDirective
import com.expediagroup.graphql.generator.federation.directives.TagDirective
import com.expediagroup.graphql.generator.federation.execution.FederatedTypePromiseResolver
import com.expediagroup.graphql.generator.federation.toFederatedSchema
import com.expediagroup.graphql.generator.scalars.ID
import com.expediagroup.graphql.generator.scalars.IDValueUnboxer
import com.fasterxml.jackson.databind.ObjectMapper
import graphql.ExecutionInput
import graphql.GraphQL
import graphql.schema.DataFetchingEnvironment
import java.util.concurrent.CompletableFuture

@KeyDirective(fields = FieldSet("id"))
class Product(
    val id: ID,
    @ShareableDirective @TagDirective("listed") val name: String?,
)

val HORN = Product(ID("1"), "Horn")

class Query {
    fun product(): Product? = HORN
}

class Products : FederatedTypePromiseResolver<Product> {
    override val typeName = "Product"

    override fun resolve(
        environment: DataFetchingEnvironment,
        representation: Map<String, Any>,
    ): CompletableFuture<Product?> = CompletableFuture.completedFuture(HORN.takeIf { representation["id"] == "1" })
}

fun main() {
    val hooks = FederatedSchemaGeneratorHooks(listOf(Products()))
    val config = FederatedSchemaGeneratorConfig(supportedPackages = listOf("subgraph"), hooks = hooks)
    val schema = toFederatedSchema(config, listOf(TopLevelObject(Query())))
    val graphql = GraphQL.newGraphQL(schema).valueUnboxer(IDValueUnboxer()).build()
    val json = ObjectMapper()
    for (line in generateSequence(::readLine)) {
        val request = json.readValue(line, Map::class.java)
        val input = ExecutionInput.newExecutionInput().query(request["query"] as String)
        @Suppress("UNCHECKED_CAST")
        (request["variables"] as Map<String, Any?>?)?.let { input.variables(it) }
        println(json.writeValueAsString(graphql.execute(input.build()).toSpecification()))
    }
}
