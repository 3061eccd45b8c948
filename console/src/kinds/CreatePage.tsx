export default function CreatePage() {
  return <p>To come</p>;
}
