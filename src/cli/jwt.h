/* weir jwt: keys and tokens, for development. */
#ifndef WEIR_CLI_JWT_H
#define WEIR_CLI_JWT_H

int jwt_run(int argc, char **argv);
int jwt_decode(int argc, char **argv);
int jwt_keygen(int argc, char **argv);
int jwt_sign(int argc, char **argv);
int jwt_verify(int argc, char **argv);

#endif
