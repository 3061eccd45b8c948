/** Something to be copied and typed elsewhere. */

import Box from "@cloudscape-design/components/box";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";

export function Code({ title, text }: { title: string; text: string }) {
  return (
    <div>
      <Box variant="awsui-key-label">{title}</Box>
      <div className="code">
        <pre tabIndex={0} aria-label={title}>
          {text}
        </pre>
        <CopyToClipboard
          variant="icon"
          textToCopy={text}
          copyButtonAriaLabel={`Copy: ${title}`}
          copySuccessText="Copied"
          copyErrorText="Copying failed"
        />
      </div>
    </div>
  );
}
