/* weir jwt: its commands. A command below it is a row here and a file of its own. */
#include "jwt.h"

#include "command.h"

static const struct command commands[] = {
	{"keygen", "makes a private key, and adds its public half to a set", jwt_keygen},
	{"sign", "makes tokens", jwt_sign},
	{"decode", "shows what is in a token, and what a policy makes of it", jwt_decode},
	{"verify", "verifies a token, and prints its claims", jwt_verify},
};

static const char head[] = "usage: weir jwt COMMAND [FLAG...]\n"
                           "Keys and tokens for development. Tokens come on standard input, keys in files: what stands on a command\n"
                           "line other users see.\n"
                           "commands:\n";

int jwt_run(int argc, char **argv)
{
	return command_dispatch("weir jwt", head, commands, sizeof commands / sizeof commands[0], argc, argv);
}
