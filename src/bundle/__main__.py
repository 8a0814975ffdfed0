from bundle.cli.main import main

main()
