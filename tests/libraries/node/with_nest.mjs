// A subgraph of @nestjs/graphql over @nestjs/apollo, code first, by its lines.
import "reflect-metadata";
import { createInterface } from "node:readline";
import { ApolloFederationDriver } from "@nestjs/apollo";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { Directive, Field, GraphQLModule, GraphQLSchemaHost, ID, ObjectType, Query, ResolveReference, Resolver } from "@nestjs/graphql";
import { graphql } from "graphql";

// The framework logs to standard output, which is for answers.
const say = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;

const PRODUCTS = { 1: { id: "1", name: "Horn" } };
const method = (type, name, ...decorators) => {
  for (const one of decorators) one(type.prototype, name, Object.getOwnPropertyDescriptor(type.prototype, name));
};

class Product {}
Field(() => ID)(Product.prototype, "id");
for (const one of [Field(() => String, { nullable: true }), Directive("@shareable"), Directive('@tag(name: "listed")')]) {
  one(Product.prototype, "name");
}
Directive('@key(fields: "id")')(Product);
ObjectType()(Product);

class Products {
  product() { return PRODUCTS[1]; }
  find({ id }) { return PRODUCTS[id]; }
}
method(Products, "product", Query(() => Product, { nullable: true }));
method(Products, "find", ResolveReference());
Resolver(() => Product)(Products);

class App {}
Module({
  imports: [GraphQLModule.forRoot({ driver: ApolloFederationDriver, autoSchemaFile: { federation: 2 }, playground: false })],
  providers: [Products],
})(App);

const app = await NestFactory.create(App, { logger: false });
await app.init();
const { schema } = app.get(GraphQLSchemaHost);
for await (const line of createInterface({ input: process.stdin })) {
  const { query, variables } = JSON.parse(line);
  const result = await graphql({ schema, source: query, variableValues: variables, contextValue: {} });
  say(`${JSON.stringify(result)}\n`);
}
await app.close();
