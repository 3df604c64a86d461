// A subgraph of gqlgen, by its lines.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/extension"

	"tests/libraries/target"
)

type root struct{}

func (root) Query() target.QueryResolver   { return root{} }
func (root) Entity() target.EntityResolver { return root{} }

func (root) Product(context.Context) (*target.Product, error) {
	name := "Horn"
	return &target.Product{ID: "1", Name: &name}, nil
}

func (one root) FindProductByID(context context.Context, id string) (*target.Product, error) {
	if id != "1" {
		return nil, nil
	}
	return one.Product(context)
}

func answer(subgraph *executor.Executor, request *graphql.RawParams) *graphql.Response {
	context := graphql.StartOperationTrace(context.Background())
	operation, refused := subgraph.CreateOperationContext(context, request)
	if refused != nil {
		return subgraph.DispatchError(graphql.WithOperationContext(context, operation), refused)
	}
	respond, context := subgraph.DispatchOperation(context, operation)
	return respond(context)
}

func main() {
	subgraph := executor.New(target.NewExecutableSchema(target.Config{Resolvers: root{}}))
	subgraph.Use(extension.Introspection{}) // without it, `_service` is refused
	lines := bufio.NewReader(os.Stdin)
	for line, end := lines.ReadBytes('\n'); end == nil; line, end = lines.ReadBytes('\n') {
		var request graphql.RawParams
		if err := json.Unmarshal(line, &request); err != nil {
			panic(err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(answer(subgraph, &request)); err != nil {
			panic(err)
		}
	}
}
