/**
 * Parameters by which well-known servers take another method than the one of the request, or further headers, an
 * `Authorization` of the agent's own among them: frameworks that follow Rails (`_method`), Salesforce (`_HttpMethod`), and
 * the front end of Google's APIs (`$httpMethod`, `$httpHeaders`, made for browsers that want no preflight). What is judged
 * here would then not be what is done there (P3, P7), so none of them goes up, to whatever provider.
 */
export const overrideParameters: readonly string[] = [
  '_method',
  '_httpmethod',
  '$httpmethod',
  '$httpheaders',
  'http_method_override',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
]
