// /api/openapi.json, made from the table of routes: what is described is what is served.
import { z } from 'zod';
import type { ApiRoute } from './alerts-routes.js';
import { ErrorAnswer } from './alerts-schemas.js';

/** Must be there on everything that changes something: a form or a link of a foreign page can't send it. */
export const CHANGE_HEADER = 'x-wardwatch-request';

type Json = Readonly<Record<string, unknown>>;

/** OpenAPI 3.1. */
export function openApiOf(routes: readonly ApiRoute[]): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'wardwatch: alerts',
      version: '1',
      description: `GET never changes anything. POST is taken only while the console listens on this machine alone, with content-type application/json and a header ${CHANGE_HEADER}. Every request is a record on access-audit.`,
    },
    paths,
  };
}

function operationOf(route: ApiRoute): Json {
  const parameters = [
    ...parametersOf('path', route.params),
    ...parametersOf('query', route.query),
    ...(route.method === 'POST'
      ? [{ in: 'header', name: CHANGE_HEADER, required: true, schema: { type: 'string' } }]
      : []),
  ];
  return {
    operationId: route.name,
    summary: route.summary,
    parameters,
    ...(route.body ? { requestBody: { required: true, content: json(route.body, 'input') } } : {}),
    responses: {
      200: { description: 'Done', content: json(route.answer, 'output') },
      default: { description: 'Not done: the code, and words for a person', content: json(ErrorAnswer, 'output') },
    },
  };
}

function parametersOf(where: 'path' | 'query', schema: z.ZodType | undefined): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, one]) => ({
    in: where,
    name,
    required: required.includes(name),
    schema: one,
  }));
}

function json(schema: z.ZodType, io: 'input' | 'output'): Json {
  return { 'application/json': { schema: schemaOf(schema, io) } };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}
