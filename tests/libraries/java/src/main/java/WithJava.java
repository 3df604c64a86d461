// A subgraph of federation-graphql-java-support, by its lines.
import com.apollographql.federation.graphqljava.Federation;
import com.apollographql.federation.graphqljava._Entity;
import com.fasterxml.jackson.databind.ObjectMapper;
import graphql.ExecutionInput;
import graphql.GraphQL;
import graphql.schema.GraphQLSchema;
import graphql.schema.idl.RuntimeWiring;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

public class WithJava {
    private static final String SDL = """
        extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@shareable", "@tag"])
        type Query { product: Product }
        type Product @key(fields: "id") { id: ID! name: String @shareable @tag(name: "listed") }
        """;
    private static final Map<String, Map<String, Object>> PRODUCTS = Map.of("1", Map.of("id", "1", "name", "Horn"));

    public static void main(String[] arguments) throws Exception {
        RuntimeWiring wiring = RuntimeWiring.newRuntimeWiring()
            .type("Query", one -> one.dataFetcher("product", given -> PRODUCTS.get("1")))
            .build();
        GraphQLSchema schema = Federation.transform(SDL, wiring)
            .fetchEntities(given -> given.<List<Map<String, Object>>>getArgument(_Entity.argumentName).stream()
                .map(one -> PRODUCTS.get(one.get("id")))
                .collect(Collectors.toList()))
            .resolveEntityType(given -> given.getSchema().getObjectType("Product"))
            .build();
        GraphQL graphql = GraphQL.newGraphQL(schema).build();
        ObjectMapper json = new ObjectMapper();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<?, ?> request = json.readValue(line, Map.class);
            ExecutionInput.Builder input = ExecutionInput.newExecutionInput().query((String) request.get("query"));
            if (request.get("variables") instanceof Map<?, ?> variables) {
                @SuppressWarnings("unchecked")
                Map<String, Object> given = (Map<String, Object>) variables;
                input = input.variables(given);
            }
            System.out.println(json.writeValueAsString(graphql.execute(input.build()).toSpecification()));
        }
    }
}
