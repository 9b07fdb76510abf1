"""`python -m polypost_cli` is `polypost`."""

from polypost_cli.main import app

if __name__ == "__main__":
    app(prog_name="polypost")
