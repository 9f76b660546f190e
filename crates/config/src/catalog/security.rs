//! TLS, SASL, authorisation and delegation tokens.

use super::keys;

keys! { pub(super) KEYS
    "allow.everyone.if.no.acl.found" Boolean "false" any Low ReadOnly Accepted
        "Whether a resource without any ACL is open to everyone.";
    "authorizer.class.name" String "" any Low ReadOnly Accepted
        "Authorizer that decides which principal may do what; empty means that everyone may do everything.";
    "connections.max.reauth.ms" Long "0" any Medium ReadOnly Accepted
        "How long a SASL session lasts before the client must authenticate anew; 0 means for ever.";
    "delegation.token.expiry.check.interval.ms" Long "3600000" min(1) Low ReadOnly Accepted
        "How often expired delegation tokens are removed.";
    "delegation.token.expiry.time.ms" Long "86400000" min(1) Medium ReadOnly Accepted
        "How long a delegation token is valid before it must be renewed.";
    "delegation.token.max.lifetime.ms" Long "604800000" min(1) Medium ReadOnly Accepted
        "Longest life of a delegation token, renewals included.";
    "delegation.token.secret.key" Password null any Medium ReadOnly Accepted
        "Secret with which delegation tokens are signed; the same on every node.";
    "principal.builder.class" Class "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"
        any Medium PerBroker Accepted
        "Java class that makes a principal out of a connection.";
    "sasl.client.callback.handler.class" Class null any Medium ReadOnly Accepted
        "Java class for callbacks of SASL clients.";
    "sasl.enabled.mechanisms" List "GSSAPI" list Medium PerBroker Accepted
        "SASL mechanisms that are offered.";
    "sasl.jaas.config" Password null any Medium PerBroker Accepted
        "Login of a SASL mechanism in JAAS form.";
    "sasl.kerberos.kinit.cmd" String "/usr/bin/kinit" any Medium PerBroker Accepted
        "Path of kinit.";
    "sasl.kerberos.min.time.before.relogin" Long "60000" any Medium PerBroker Accepted
        "Least time between two Kerberos logins.";
    "sasl.kerberos.principal.to.local.rules" List "DEFAULT" list Medium PerBroker Accepted
        "Rules that shorten Kerberos principals to user names.";
    "sasl.kerberos.service.name" String null any Medium PerBroker Accepted
        "Kerberos service name of the brokers.";
    "sasl.kerberos.ticket.renew.jitter" Double "0.05" any Medium PerBroker Accepted
        "Random part of the ticket renewal time.";
    "sasl.kerberos.ticket.renew.window.factor" Double "0.8" any Medium PerBroker Accepted
        "Share of a ticket's life after which it is renewed.";
    "sasl.login.callback.handler.class" Class null any Medium ReadOnly Accepted
        "Java class for callbacks of logins.";
    "sasl.login.class" Class null any Medium ReadOnly Accepted
        "Java class that logs in.";
    "sasl.login.connect.timeout.ms" Int null any Low ReadOnly Accepted
        "Connect timeout to the external identity provider.";
    "sasl.login.read.timeout.ms" Int null any Low ReadOnly Accepted
        "Read timeout of the external identity provider.";
    "sasl.login.refresh.buffer.seconds" Short "300" any Medium PerBroker Accepted
        "Time before its end at which a credential is refreshed at the latest.";
    "sasl.login.refresh.min.period.seconds" Short "60" any Medium PerBroker Accepted
        "Least time between two refreshes of a credential.";
    "sasl.login.refresh.window.factor" Double "0.8" any Medium PerBroker Accepted
        "Share of a credential's life after which it is refreshed.";
    "sasl.login.refresh.window.jitter" Double "0.05" any Medium PerBroker Accepted
        "Random part of that refresh time.";
    "sasl.login.retry.backoff.max.ms" Long "10000" any Low ReadOnly Accepted
        "Longest pause between tries to reach the identity provider.";
    "sasl.login.retry.backoff.ms" Long "100" any Low ReadOnly Accepted
        "First pause between tries to reach the identity provider.";
    "sasl.mechanism.controller.protocol" String "GSSAPI" any High ReadOnly Accepted
        "SASL mechanism between brokers and controllers.";
    "sasl.mechanism.inter.broker.protocol" String "GSSAPI" any Medium PerBroker Accepted
        "SASL mechanism between brokers.";
    "sasl.oauthbearer.assertion.algorithm" String "RS256" one_of_ignore_case("ES256", "RS256") Medium ReadOnly Accepted
        "Algorithm that signs JWT assertions.";
    "sasl.oauthbearer.assertion.claim.aud" String null any Medium ReadOnly Accepted
        "Audience claim of JWT assertions.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" Int "300" range(0, 86400) Low ReadOnly Accepted
        "How far in the future JWT assertions expire.";
    "sasl.oauthbearer.assertion.claim.iss" String null any Medium ReadOnly Accepted
        "Issuer claim of JWT assertions.";
    "sasl.oauthbearer.assertion.claim.jti.include" Boolean "false" any Medium ReadOnly Accepted
        "Whether JWT assertions carry a unique id.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" Int "60" range(0, 3600) Low ReadOnly Accepted
        "How far in the past JWT assertions become valid.";
    "sasl.oauthbearer.assertion.claim.sub" String null any Medium ReadOnly Accepted
        "Subject claim of JWT assertions.";
    "sasl.oauthbearer.assertion.file" String null any Medium ReadOnly Accepted
        "File with a finished JWT assertion.";
    "sasl.oauthbearer.assertion.private.key.file" String null any Medium ReadOnly Accepted
        "Private key that signs JWT assertions.";
    "sasl.oauthbearer.assertion.private.key.passphrase" Password null any Medium ReadOnly Accepted
        "Passphrase of that private key.";
    "sasl.oauthbearer.assertion.template.file" String null any Medium ReadOnly Accepted
        "File with claims that JWT assertions start from.";
    "sasl.oauthbearer.client.credentials.client.id" String null any Medium ReadOnly Accepted
        "Client id for the client credentials grant.";
    "sasl.oauthbearer.client.credentials.client.secret" Password null any Medium ReadOnly Accepted
        "Client secret for the client credentials grant.";
    "sasl.oauthbearer.clock.skew.seconds" Int "30" any Low ReadOnly Accepted
        "Clock difference to the identity provider that is forgiven.";
    "sasl.oauthbearer.expected.audience" List "" list Low ReadOnly Accepted
        "Audiences of which a token must carry one.";
    "sasl.oauthbearer.expected.issuer" String null any Low ReadOnly Accepted
        "Issuer that a token must carry.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long "3600000" any Low ReadOnly Accepted
        "How often the provider's keys are fetched.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long "10000" any Low ReadOnly Accepted
        "Longest pause between tries to fetch those keys.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long "100" any Low ReadOnly Accepted
        "First pause between tries to fetch those keys.";
    "sasl.oauthbearer.jwks.endpoint.url" String null any Medium ReadOnly Accepted
        "Address of the provider's keys.";
    "sasl.oauthbearer.jwt.retriever.class" Class "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"
        any Medium ReadOnly Accepted
        "Java class that gets tokens.";
    "sasl.oauthbearer.jwt.validator.class" Class "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"
        any Medium ReadOnly Accepted
        "Java class that checks tokens.";
    "sasl.oauthbearer.scope" String null any Medium ReadOnly Accepted
        "Scope that is asked of the identity provider.";
    "sasl.oauthbearer.scope.claim.name" String "scope" any Low ReadOnly Accepted
        "Claim that holds a token's scope.";
    "sasl.oauthbearer.sub.claim.name" String "sub" any Low ReadOnly Accepted
        "Claim that holds a token's subject.";
    "sasl.oauthbearer.token.endpoint.url" String null any Medium ReadOnly Accepted
        "Address at which tokens are issued.";
    "sasl.server.callback.handler.class" Class null any Medium ReadOnly Accepted
        "Java class for callbacks of SASL servers.";
    "sasl.server.max.receive.size" Int "524288" any Medium ReadOnly Accepted
        "Largest message during SASL authentication.";
    "security.providers" String null any Low ReadOnly Accepted
        "Java security providers.";
    "ssl.allow.dn.changes" Boolean "false" any Low ReadOnly Accepted
        "Whether a reloaded certificate may carry another distinguished name.";
    "ssl.allow.san.changes" Boolean "false" any Low ReadOnly Accepted
        "Whether a reloaded certificate may carry other alternative names.";
    "ssl.cipher.suites" List "" list Medium PerBroker Accepted
        "Cipher suites that may be used; empty means the library's choice.";
    "ssl.client.auth" String "none" one_of("required", "requested", "none") Medium PerBroker Accepted
        "Whether clients must, may or need not show a certificate.";
    "ssl.enabled.protocols" List "TLSv1.2,TLSv1.3" list Medium PerBroker Accepted
        "TLS versions that may be used.";
    "ssl.endpoint.identification.algorithm" String "https" any Low PerBroker Accepted
        "How the server's name is checked against its certificate.";
    "ssl.engine.factory.class" Class null any Low PerBroker Accepted
        "Java class that makes TLS engines.";
    "ssl.key.password" Password null any Medium PerBroker Accepted
        "Password of the private key.";
    "ssl.keymanager.algorithm" String "SunX509" any Medium PerBroker Accepted
        "Algorithm of the Java key manager.";
    "ssl.keystore.certificate.chain" Password null any Medium PerBroker Accepted
        "Certificate chain in PEM form.";
    "ssl.keystore.key" Password null any Medium PerBroker Accepted
        "Private key in PEM form.";
    "ssl.keystore.location" String null any Medium PerBroker Accepted
        "File of the key store.";
    "ssl.keystore.password" Password null any Medium PerBroker Accepted
        "Password of the key store.";
    "ssl.keystore.type" String "JKS" any Medium PerBroker Accepted
        "Format of the key store.";
    "ssl.principal.mapping.rules" String "DEFAULT" any Low ReadOnly Accepted
        "Rules that make a user name out of a certificate's name.";
    "ssl.protocol" String "TLSv1.3" any Medium PerBroker Accepted
        "TLS version to start from.";
    "ssl.provider" String null any Medium PerBroker Accepted
        "Java security provider for TLS.";
    "ssl.secure.random.implementation" String null any Low PerBroker Accepted
        "Java random source for TLS.";
    "ssl.trustmanager.algorithm" String "PKIX" any Medium PerBroker Accepted
        "Algorithm of the Java trust manager.";
    "ssl.truststore.certificates" Password null any Medium PerBroker Accepted
        "Trusted certificates in PEM form.";
    "ssl.truststore.location" String null any Medium PerBroker Accepted
        "File of the trust store.";
    "ssl.truststore.password" Password null any Medium PerBroker Accepted
        "Password of the trust store.";
    "ssl.truststore.type" String "JKS" any Medium PerBroker Accepted
        "Format of the trust store.";
    "super.users" String "" any Low ReadOnly Accepted
        "Principals that may do everything, separated by semicolons.";
}
