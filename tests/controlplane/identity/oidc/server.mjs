// A real OpenID provider on a free port of loopback, with people whose groups the test says: PEOPLE, JSON by login name.
// Says its port on stdout. Log-in and consent are plain pages of the provider's own.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const people = JSON.parse(process.env.PEOPLE);
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'groundplane',
        client_secret: process.env.CLIENT_SECRET,
        redirect_uris: [process.env.REDIRECT_URI],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    pkce: { required: () => true },
    cookies: { keys: ['of a test'] },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  });
  // What the test says of somebody from now on.
  provider.use(async (context, next) => {
    if (context.method === 'PUT' && context.path.startsWith('/people/')) {
      let body = '';
      for await (const chunk of context.req) body += chunk;
      people[context.path.slice(8)] = JSON.parse(body);
      context.status = 204;
      return;
    }
    await next();
  });
  server.on('request', provider.callback());
  console.log(server.address().port);
});
