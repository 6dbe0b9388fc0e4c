"""`python -m tests.standins.command ENGINE_ADDRESS`."""

from tests.standins.command.resources import CopyToRemote, LocalCommand, RemoteCommand, function
from tests.standins.command.running import Running
from tests.standins.provider import Provider, serve

VERSION = "1.2.1"


def main() -> None:
    """Serve the engine until it is gone."""
    running = Running()
    kinds = {
        "command:local:Command": LocalCommand(running),
        "command:remote:Command": RemoteCommand(running),
        "command:remote:CopyToRemote": CopyToRemote(running),
    }
    functions = {"command:local:run": function(running)}
    serve("Pulumi's command provider", Provider(version=VERSION, kinds=kinds, functions=functions, stop=running.stop))


if __name__ == "__main__":
    main()
