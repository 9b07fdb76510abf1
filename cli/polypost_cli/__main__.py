"""`python -m polypost_cli` is `polypost`."""

from polypost_cli.main import main

if __name__ == "__main__":
    main()
