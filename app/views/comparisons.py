from app import frame


def body(context):
    pass


if __name__ == "__main__":
    frame.draw("comparisons", "What?", body)
